// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Grants: exactly these ports, for exactly this cgroup, without any capability.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "bpfport/event.h"
#include "bpfport/table.h"
#include "kernel/bpf.hpp"
#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

class CgroupGrant : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) REQUIRE_GRANTS();
    }
    void grant(std::vector<std::string> ports) const {
        ports.insert(ports.begin(), {"grant", "cgroup:" + cgroup->name()});
        must(std::move(ports));
    }
    [[nodiscard]] int in(const char* address, std::uint16_t port, int type = SOCK_STREAM) const {
        return bind_errno(*netns, {cgroup.get(), kNobody, {address, port}, type});
    }
    [[nodiscard]] int out(std::uint16_t port) const {
        return bind_errno(*netns, {nullptr, kNobody, {"0.0.0.0", port}});
    }
};

// The case the project exists for: a script, a user without any privilege, not even the possibility
// of one.
TEST_F(CgroupGrant, AScriptOfNobodyWithAnEmptyBoundingSetBinds) {
    REQUIRE_PROGRAM("setpriv");
    REQUIRE_PROGRAM("socat");
    const std::string script = "/tmp/" + unique_name() + ".sh";
    std::ofstream(script) << "#!/bin/sh\nexec socat -u TCP-LISTEN:$1,reuseaddr /dev/null\n";
    std::filesystem::permissions(script, std::filesystem::perms(0755));
    grant({"80"});
    auto command = [&](const char* port) {
        return std::vector<std::string>{"setpriv",
                                        "--reuid=65534",
                                        "--regid=65534",
                                        "--clear-groups",
                                        "--bounding-set=-all",
                                        "--inh-caps=-all",
                                        "--no-new-privs",
                                        script,
                                        port};
    };
    {
        Process eighty(command("80"), {.netns = netns.get(), .cgroup = cgroup.get()});
        EXPECT_TRUE(wait_for_port(*netns, 80)) << eighty.stop().err;
    }
    for (auto [where, port] : {std::pair{cgroup.get(), "81"}, {nullptr, "80"}, {nullptr, "81"}}) {
        auto refused = run(command(port), {.netns = netns.get(), .cgroup = where});
        EXPECT_NE(refused.status, 0);
        EXPECT_THAT(refused.err, HasSubstr("Permission denied"))
            << port << (where == nullptr ? " outside" : " inside");
    }
    std::filesystem::remove(script);
}

TEST_F(CgroupGrant, OnlyTheGrantedPortsOfTheGrantedProtocol) {
    grant({"80", "53/udp", "100-102/tcp+udp"});
    struct Case {
        std::uint16_t port;
        int type;
        int expected;
    };
    for (const auto& [port, type, expected] :
         {Case{80, SOCK_STREAM, 0}, Case{80, SOCK_DGRAM, EACCES}, Case{53, SOCK_DGRAM, 0},
          Case{53, SOCK_STREAM, EACCES}, Case{99, SOCK_STREAM, EACCES}, Case{100, SOCK_STREAM, 0},
          Case{102, SOCK_DGRAM, 0}, Case{103, SOCK_DGRAM, EACCES}, Case{8080, SOCK_STREAM, 0}})
        for (const char* address : {"0.0.0.0", "127.0.0.1", "::", "::1", "::ffff:127.0.0.1"})
            EXPECT_EQ(in(address, port, type), expected) << address << " " << port << " " << type;
    EXPECT_EQ(out(80), EACCES);
    EXPECT_EQ(bind_errno(*netns, {nullptr, 0, {"0.0.0.0", 80}}), 0) << "root is as before";
}

TEST_F(CgroupGrant, MultipathTcpCounts) {
    constexpr int kMptcp = 262;
    REQUIRE_KERNEL(5, 15);
    const Fd probe(::socket(AF_INET, SOCK_STREAM, kMptcp));
    if (!probe) GTEST_SKIP() << "the kernel has no Multipath TCP";
    grant({"80"});
    Bind bind{cgroup.get(), kNobody, {"0.0.0.0", 80}, SOCK_STREAM, kMptcp};
    EXPECT_EQ(bind_errno(*netns, bind), 0);
    bind.at.port = 81;
    EXPECT_EQ(bind_errno(*netns, bind), EACCES);
}

TEST_F(CgroupGrant, RevokeTakesBack) {
    grant({"80", "443"});
    EXPECT_EQ(in("0.0.0.0", 443), 0);
    must({"revoke", "cgroup:" + cgroup->name(), "443"});
    EXPECT_EQ(in("0.0.0.0", 443), EACCES);
    EXPECT_EQ(in("0.0.0.0", 80), 0);
    auto wrong = bp({"revoke", "cgroup:" + cgroup->name(), "443"});
    EXPECT_EQ(wrong.status, 1);
    EXPECT_THAT(wrong.err, HasSubstr("443 is not granted"));
    must({"revoke", "cgroup:" + cgroup->name()});
    EXPECT_EQ(in("0.0.0.0", 80), EACCES);
    EXPECT_EQ(entries(), "");
}

TEST_F(CgroupGrant, ComposesWithARule) {
    REQUIRE_RULES();
    must({"attach", "cgroup:" + cgroup->name(), "80:90"});
    EXPECT_EQ(in("0.0.0.0", 80), EACCES) << "the target is a low port as well";
    grant({"90"});
    EXPECT_EQ(in("0.0.0.0", 80), 0) << "a grant is for the port that is bound in truth";
    EXPECT_EQ(in("0.0.0.0", 81), EACCES);
    must({"detach", "cgroup:" + cgroup->name()});
    EXPECT_EQ(in("0.0.0.0", 80), EACCES);
    EXPECT_EQ(in("0.0.0.0", 90), 0) << "the grant stays";
}

TEST_F(CgroupGrant, HoldsBelowTheCgroupAndIsCounted) {
    REQUIRE_PYTHON();
    const std::string below = cgroup->path() + "/below";
    std::filesystem::create_directory(below);
    grant({"80"});
    std::ofstream(cgroup->path() + "/cgroup.subtree_control") << "";
    auto result = run({"sh", "-c",
                       "echo $$ > " + below +
                           "/cgroup.procs && exec setpriv --reuid=65534 --clear-groups "
                           "/usr/bin/python3 -c 'import socket; socket.socket().bind((\"\", 80))'"},
                      {.netns = netns.get()});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(status(), HasSubstr("\"binds\": 1"));
    EXPECT_THAT(bp({"status"}).out, HasSubstr("GRANT"));
}

TEST_F(CgroupGrant, IsToldToWhoWatches) {
    REQUIRE_KERNEL(5, 8);
    grant({"80"});
    EXPECT_EQ(in("0.0.0.0", 80), 0); // no trace runs: no event
    const auto lease_pin = open_pin(state_root() + "/host/lease");
    const auto ring_pin = open_pin(state_root() + "/host/events");
    ASSERT_TRUE(lease_pin && ring_pin);
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const bp_trace_lease lease{(static_cast<__u64>(now.tv_sec) + 60) * 1'000'000'000, 0};
    const std::uint32_t zero = 0;
    ASSERT_EQ(::bpf_map_update_elem(lease_pin->get(), &zero, &lease, BPF_ANY), 0);

    EXPECT_EQ(in("127.0.0.1", 80), 0);
    EXPECT_EQ(in("127.0.0.1", 81), EACCES);
    std::vector<bp_event> events;
    auto take = [](void* to, void* data, std::size_t size) {
        if (size == sizeof(bp_event))
            static_cast<std::vector<bp_event>*>(to)->push_back(*static_cast<bp_event*>(data));
        return 0;
    };
    ring_buffer* ring = ::ring_buffer__new(ring_pin->get(), take, &events, nullptr);
    ASSERT_NE(ring, nullptr);
    ::ring_buffer__consume(ring);
    ::ring_buffer__free(ring);
    ASSERT_EQ(events.size(), 1U);
    const bp_event& event = events.front();
    EXPECT_EQ(event.kind, BP_EVENT_GRANTED);
    EXPECT_EQ(event.uid, kNobody);
    EXPECT_EQ(ntohs(event.listen_port), 80);
    EXPECT_EQ(event.proto, BP_TCP);
    EXPECT_EQ(event.local[12], 127);
    EXPECT_GT(event.pid, 1U);
    EXPECT_EQ(event.comm, std::string(program_invocation_short_name).substr(0, 15));
    EXPECT_GE(event.time, static_cast<__u64>(now.tv_sec) * 1'000'000'000);
    EXPECT_GT(event.cgroup, 1U);
}

TEST_F(CgroupGrant, NothingIsLeftAfterTheCgroupIsRemoved) {
    grant({"80"});
    cgroup = std::make_unique<Cgroup>();
    grant({"81"});
    must({"revoke", "cgroup:" + cgroup->name()});
    EXPECT_EQ(entries(), "");
}

// The kernel runs a removed cgroup's programs as long as a socket of it lives.
TEST_F(CgroupGrant, ACgroupThatIsMadeAgainIsAnotherOne) {
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", scope, "80:3000"});
    grant({"81"});
    const auto before = entries();
    Fd socket;
    {
        const InCgroup inside(*cgroup);
        socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }
    ASSERT_TRUE(socket);
    ASSERT_EQ(::rmdir(cgroup->path().c_str()), 0);
    EXPECT_THAT(status(), Not(HasSubstr(scope)));
    ASSERT_EQ(::mkdir(cgroup->path().c_str(), 0755), 0);
    EXPECT_THAT(status(), Not(HasSubstr(scope)));
    EXPECT_EQ(in("127.0.0.1", 81), EACCES);
    must({"attach", scope, "80:3001"}); // no conflict with what was
    grant({"81"});
    EXPECT_EQ(in("127.0.0.1", 81), 0);
    EXPECT_THAT(status(), AllOf(HasSubstr("3001"), Not(HasSubstr("3000"))));
    EXPECT_NE(entries(), before);
    EXPECT_EQ(std::ranges::count(entries(), ' '), std::ranges::count(before, ' '));
}

// There its path is that of another cgroup outside, or of none.
TEST_F(CgroupGrant, ACgroupOfANamespaceThatIsMadeAgain) {
    REQUIRE_PROGRAM("unshare");
    REQUIRE_PROGRAM("nsenter");
    constexpr const char* kScript = R"(
root=$1 outside="nsenter -t $PPID -C -m"
shift
umount "$root"
mount -t cgroup2 cgroup2 "$root"
mkdir "$root/inner"
"$@" grant cgroup:/inner 81 >/dev/null
echo $BASHPID >"$root/inner/cgroup.procs"
exec 3<>/dev/udp/127.0.0.1/9
echo $BASHPID >"$root/cgroup.procs"
seen() { "$@" status | grep -c 'cgroup:/inner' || true; }
echo "there: $(seen "$@") inside, $(seen $outside "$@") outside"
rmdir "$root/inner"
mkdir "$root/inner"
echo "made again: $(seen "$@") inside, $(seen $outside "$@") outside"
)";
    std::vector<std::string> words{"unshare", "-mC",   "--propagation", "private",    "bash",
                                   "-ec",     kScript, "bash",          cgroup_root()};
    const auto command = bpfport_command({});
    words.insert(words.end(), command.begin(), command.end());
    const auto done = run(words, {.netns = netns.get(), .cgroup = cgroup.get()});
    EXPECT_EQ(done.out, "there: 1 inside, 1 outside\nmade again: 0 inside, 0 outside\n")
        << done.err;
}

TEST_F(CgroupGrant, WrongWordsAreExplained) {
    const std::string scope = "cgroup:" + cgroup->name();
    for (const auto& [words, says] :
         {std::pair<std::vector<std::string>, const char*>{{"grant", scope}, "no port is given"},
          {{"grant", "80"}, "no scope is given"},
          {{"grant", "lo", "80"}, "lo is not a cgroup"},
          {{"grant", scope, "80:3000"}, "is not a port to grant"},
          {{"grant", scope, "80/sctp"}, "is not a port to grant"}}) {
        auto refused = bp(words);
        EXPECT_EQ(refused.status, 2) << refused.err;
        EXPECT_THAT(refused.err, HasSubstr(says));
    }
}

} // namespace
} // namespace bpfport::test
