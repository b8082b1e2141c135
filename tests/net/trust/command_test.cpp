// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What other users of the machine try on the commands that root gives. Each test has the letter and
// number of docs/security.md.
#include <sys/mount.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "harness/packet.hpp"
#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;
using testing::Not;

// A listener on 3000, then it names itself.
constexpr auto kEvilServer = R"(
import socket, sys, time
open("/proc/self/comm", "wb").write(b"\xffA\x1b[31m\nx")
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 3000)); s.listen(); time.sleep(60)
)";

TEST_F(Trust, A2_AProcessMayBeCalledAnything) {
    REQUIRE_PYTHON();
    const ClientServer net;
    Process server({kPython, "-c", kEvilServer}, {.netns = &net.server});
    ASSERT_TRUE(wait_for_port(net.server, 3000));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    for (const char* words :
         {"status --json", "ss --json", "doctor --json", "status", "ss", "doctor", "metrics"}) {
        SCOPED_TRACE(words);
        const auto result = tool(net.server, words);
        EXPECT_LT(result.status, 2) << result.err;
        const std::string text = result.out + result.err;
        EXPECT_EQ(text.find_first_of("\xff\x1b"), std::string::npos) << text;
        EXPECT_TRUE(!std::string_view(words).ends_with("json") ||
                    !nlohmann::json::parse(result.out, nullptr, false).is_discarded());
    }
    EXPECT_THAT(tool(net.server, "ss").out, HasSubstr("\\xffA\\x1b[31m"));
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(Trust, A2_APacketOfFiveThousandCharacters) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    const auto result = bpfport(net.server, {"trace", "eth0", "--packet", std::string(5000, 'x')});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("xxx: No such file or directory"));
    ASSERT_TRUE(works(net.server, "detach --all"));
}

void put32(std::ofstream& file, std::uint32_t value) {
    file.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A capture of Ethernet frames in the byte order of this machine.
void write_capture(const std::string& path, const std::vector<Bytes>& frames) {
    std::ofstream file(path, std::ios::binary);
    for (std::uint32_t word : {0xa1b2c3d4U, 0x00040002U, 0U, 0U, 262144U, 1U}) put32(file, word);
    for (const auto& frame : frames) {
        const auto size = static_cast<std::uint32_t>(frame.size());
        for (std::uint32_t word : {1U, 0U, size, size}) put32(file, word);
        file.write(reinterpret_cast<const char*>(frame.data()), size);
    }
}

TEST_F(Trust, A2_FramesThatCannotBeRunAreLeftOut) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    const auto frame = [](std::size_t bytes) {
        return (Ethernet{} / Ipv4{.src = "10.1.0.1", .dst = "10.1.0.2"} /
                Tcp{.sport = 40000, .dport = 80, .flags = kSyn} / Payload(bytes))
            .build();
    };
    const std::string path = directory_ + "/capture";
    // 200,000 bytes: Linux 7 runs one of 70,000, and 6.18 none of 60,000.
    write_capture(path, {frame(0), Bytes(200'000, 1), Bytes(9, 1), frame(1)});
    const auto result = bpfport(net.server, {"trace", "eth0", "--for-host", "--packet", path});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("frame 3 of 9 bytes: not run"));
    EXPECT_THAT(result.out, HasSubstr("frame 2 of "));
    EXPECT_THAT(result.err, HasSubstr("2 of 4 frames were not run"));
    std::size_t decisions = 0;
    for (auto at = result.out.find("verdict"); at != std::string::npos;
         at = result.out.find("verdict", at + 1))
        decisions++;
    EXPECT_EQ(decisions, 2U) << result.out;
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(Trust, A1_ACgroupOfAUserIsNoContainer) {
    REQUIRE_GRANTS();
    const auto id = fmt::format("{:064x}", getpid());
    const Below container(cgroup->path() + "/docker-" + id + ".scope");
    auto granted = bp({"grant", "container:" + id, "81"});
    ASSERT_EQ(granted.status, 0) << granted.err;
    EXPECT_THAT(granted.out, HasSubstr(fmt::format("container:{} is cgroup {}/docker-{}.scope", id,
                                                   cgroup->name(), id)));
    must({"revoke", "container:" + id});
    for (const std::string& place : {container.path, cgroup->path()}) {
        ASSERT_EQ(::chown(place.c_str(), kNobody, kNobody), 0);
        for (auto words : {std::vector<std::string>{"grant", "container:" + id, "81"},
                           {"attach", "container:" + id, "80:3000"},
                           {"attach", "lo", "80:3000", "--owner", "container:" + id}}) {
            const auto refused = bp(words);
            EXPECT_EQ(refused.status, 1) << refused.out;
            EXPECT_THAT(refused.err, HasSubstr("no running container"));
        }
        ASSERT_EQ(::chown(place.c_str(), 0, 0), 0);
    }
    EXPECT_EQ(entries(), "");
}

TEST_F(Trust, A1_TheHookRefusesACgroupThatOthersShare) {
    REQUIRE_GRANTS();
    const auto hook = [&](const Process& container) {
        return bp({"oci-hook"},
                  {.input = fmt::format(R"({{"ociVersion": "1.0.2", "id": "shared", "pid": {},
                    "status": "created", "annotations": {{"bpfport.grant": "81"}}}})",
                                        container.pid())});
    };
    const ProcessOptions inside{.netns = netns.get(), .cgroup = cgroup.get()};
    Process container({"sleep", "60"}, inside);
    std::this_thread::sleep_for(200ms);
    {
        Process other({"sleep", "60"}, inside);
        std::this_thread::sleep_for(200ms);
        const auto refused = hook(container);
        EXPECT_EQ(refused.status, 1);
        EXPECT_THAT(refused.err, HasSubstr("no cgroup of its own"));
        EXPECT_EQ(entries(), "");
    }
    EXPECT_EQ(hook(container).status, 0);
    must({"detach", "--all"});
}

TEST_F(Trust, A1_TheHookReadsNoMoreThanAMegabyte) {
    const auto result = bp({"oci-hook"}, {.input = std::string(3U << 20U, ' ')});
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, HasSubstr("1 MB"));
}

TEST_F(Trust, A3_AStoreThatAnotherUserMade) {
    const std::string mount = directory_ + "/bpf";
    ::mkdir(mount.c_str(), 0755);
    ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
    ASSERT_EQ(::mount("bpf", mount.c_str(), "bpf", 0, "mode=1777"), 0);
    const auto made = test::run({"mkdir", mount + "/bpfport"}, {.uid = kNobody});
    const auto attach = [&] {
        return test::run({bpfport_binary(), "--state", mount + "/bpfport", "--netns", netns->name(),
                          "attach", "--engine", "tc", "lo", "80:3000"});
    };
    EXPECT_EQ(made.status, 0) << made.err;
    const auto refused = attach();
    EXPECT_EQ(refused.status, 1) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("belongs to user 65534"));
    EXPECT_THAT(refused.err, HasSubstr("mode=0700"));
    EXPECT_EQ(::umount2(mount.c_str(), MNT_DETACH), 0);
}

// As a root shell would: with a key in its session keyring.
constexpr auto kRootShell = R"(
import ctypes, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
if libc.syscall(250, 1, None, 0, 0, 0) < 0: sys.exit(77)
if libc.syscall(248, b"user", b"bpfport-trust", b"secret", 6, -3) < 0: sys.exit(77)
sys.exit(subprocess.call(sys.argv[1:]))
)";
constexpr auto kCommand = R"(
import ctypes, fcntl
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
print("key", libc.syscall(250, 10, -3, b"user", b"bpfport-trust", 0) >= 0)
for name, request in ("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541c):
    try: fcntl.ioctl(0, request, b"x")
    except OSError as error: print(name, error.errno)
print(open("/proc/self/status").read())
)";

TEST_F(Trust, A4_ACommandOfAnotherUserHasNoWayToRoot) {
    REQUIRE_PYTHON();
    REQUIRE_GRANTS();
#ifndef __x86_64__
    GTEST_SKIP() << "numbers of system calls";
#endif
    const auto run_as_nobody = [&](std::vector<std::string> options) {
        std::vector<std::string> words{kPython, "-c", kRootShell};
        for (const auto& word : bpfport_command(
                 {"--netns", netns->name(), "run", "--user", "nobody", "--grant", "80"}))
            words.push_back(word);
        words.insert(words.end(), options.begin(), options.end());
        words.insert(words.end(), {"--", kPython, "-c", kCommand});
        return test::run(words, {.cgroup = cgroup.get(), .directory = "/"});
    };
    const auto result = run_as_nobody({});
    if (result.status == 77) GTEST_SKIP() << "the kernel has no keys";
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("key False"));
    EXPECT_THAT(result.out, HasSubstr("TIOCSTI 1\n")) << "EPERM, and not ENOTTY (25)";
    EXPECT_THAT(result.out, HasSubstr("TIOCLINUX 1\n"));
    EXPECT_THAT(result.out, HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(result.out, HasSubstr("CapBnd:\t0000000000000000"));
    const auto kept = run_as_nobody({"--keep-setuid"});
    ASSERT_EQ(kept.status, 0) << kept.err;
    EXPECT_THAT(kept.out, HasSubstr("NoNewPrivs:\t0"));
    EXPECT_THAT(kept.out, Not(HasSubstr("CapBnd:\t0000000000000000")));
    EXPECT_THAT(kept.out, HasSubstr("TIOCSTI 1\n"));
    EXPECT_THAT(kept.out, HasSubstr("key False"));
    for (int i = 0; i < 500 && !entries().empty(); i++) // the reaper
        std::this_thread::sleep_for(20ms);
}

TEST_F(Trust, A4_TheExporterInheritsNoDescriptor) {
    std::string command = "exec 7</etc/passwd; exec";
    for (const auto& word :
         bpfport_command({"--netns", netns->name(), "exporter", "--listen", "127.0.0.1:9880"}))
        command += " " + word;
    Process exporter({"sh", "-c", command});
    ASSERT_TRUE(wait_for_port(*netns, 9880)) << exporter.stop().err;
    pid_t server = 0;
    std::ifstream(fmt::format("/proc/{0}/task/{0}/children", exporter.pid())) >> server;
    ASSERT_GT(server, 0);
    for (pid_t pid : {exporter.pid(), server})
        for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
            std::error_code gone;
            EXPECT_NE(fs::read_symlink(entry.path(), gone), "/etc/passwd") << pid;
        }
    std::error_code gone;
    for (int fd : {0, 1, 2})
        EXPECT_EQ(fs::read_symlink(fmt::format("/proc/{}/fd/{}", server, fd), gone), "/dev/null");
}

} // namespace
} // namespace bpfport::test
