// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// How other users of the machine come by a guarded port, or by one that was never granted, without
// the bind that is asked.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;
using testing::Not;

constexpr uid_t kOwner = 4242;
constexpr uid_t kOther = 4243;

class TrustGuard : public Trust {
  protected:
    void SetUp() override {
        Trust::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        REQUIRE_PYTHON();
        denial_ = kernel_at_least(5, 18) ? EACCES : EPERM;
    }
    // Runs it with `s` a socket, says so when it is done, and stays.
    Process hold(uid_t uid, const std::string& statements, const char* family = "AF_INET") const {
        const std::string script = fmt::format("import os, socket, time\n"
                                               "s = socket.socket(socket.{})\n"
                                               "s.setsockopt(socket.SOL_SOCKET, "
                                               "socket.SO_REUSEADDR, 1)\n{}\n"
                                               "print(1, flush=True); time.sleep(60)\n",
                                               family, statements);
        Process process({kPython, "-c", script}, {.netns = netns.get(), .uid = uid});
        std::this_thread::sleep_for(400ms);
        EXPECT_TRUE(process.running());
        return process;
    }
    ProcessResult attach_owned() const {
        return bp({"attach", "lo", "80:3000", "--owner", std::to_string(kOwner)});
    }
    int denial_ = EACCES;
};

TEST_F(TrustGuard, C12_ASocketThatIsBoundAndDoesNotListen) {
    for (const char* statements : {"s.bind(('127.0.0.1', 3000))", "s.bind(('0.0.0.0', 3000))"}) {
        const auto holder = hold(kOther, statements);
        const auto refused = attach_owned();
        EXPECT_EQ(refused.status, 1) << refused.out;
        EXPECT_THAT(refused.err, HasSubstr(kernel_at_least(6, 8) ? "port 3000 is not user 4242's: "
                                                                   "python3"
                                                                 : "a socket that doesn't listen"));
        EXPECT_EQ(entries(), "");
    }
    if (kernel_at_least(6, 8)) {
        const auto own = hold(kOwner, "s.bind(('0.0.0.0', 3000))");
        EXPECT_EQ(attach_owned().status, 0) << "it is the owner's";
    }
}

TEST_F(TrustGuard, C12_AConnectionMayBecomeAListener) {
    // It keeps its port through connect(AF_UNSPEC), and listens without another bind.
    const auto holder =
        hold(kOther, "l = socket.socket(); l.bind(('127.0.0.1', 4000)); l.listen()\n"
                     "s.bind(('127.0.0.1', 3000)); "
                     "s.connect(('127.0.0.1', 4000))");
    const auto refused = attach_owned();
    EXPECT_EQ(refused.status, 1) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("port 3000 is not user 4242's: python3"));
}

TEST_F(TrustGuard, C12_APortThatTheKernelGivesAway) {
    const std::string range = "net.ipv4.ip_local_port_range";
    const auto sysctl = [&](const std::string& setting) {
        const auto set = test::run({"sysctl", "-qw", setting}, {.netns = netns.get()});
        ASSERT_EQ(set.status, 0) << set.err;
    };
    sysctl(range + "=2990 3010");
    for (auto words : {std::vector<std::string>{"attach", "lo", "80:3000", "--owner", "4242"},
                       {"attach", "lo", "3001:8000", "--reserve"},
                       {"attach", "cgroup:" + cgroup->name(), "80:3000", "--owner", "4242"}}) {
        const auto refused = bp(words);
        EXPECT_EQ(refused.status, 1) << refused.out;
        EXPECT_THAT(refused.err, HasSubstr("is within 2990-3010, where the kernel gives ports to"));
        EXPECT_THAT(refused.err, HasSubstr("ip_local_reserved_ports="));
    }
    EXPECT_EQ(entries(), "");
    EXPECT_EQ(bp({"attach", "lo", "80:3000"}).status, 0) << "without a guard it is a warning";
    must({"detach", "lo"});
    sysctl("net.ipv4.ip_local_reserved_ports=3000-3001");
    EXPECT_EQ(attach_owned().status, 0);
    must({"attach", "lo", "3001:8000", "--reserve"});
}

TEST_F(TrustGuard, C12_LinksThatAreGoneAreMadeAgain) {
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", scope, "80:3000", "--owner", std::to_string(kOwner)});
    const auto denied = [&] {
        return bind_errno(*netns, {nullptr, kOther, {"0.0.0.0", 3000}}) == denial_;
    };
    ASSERT_TRUE(denied());
    for (const char* directory : {"guard", "local_clients"}) {
        for (const auto& entry : fs::directory_iterator(state_root() + "/" + directory))
            if (entry.path().filename().native().starts_with("link_")) fs::remove(entry.path());
        // The kernel lets go of a link a moment after its pin.
        EXPECT_THAT(bp({"doctor"}).out, testing::AnyOf(HasSubstr("not guarded: the kernel"),
                                                       HasSubstr("root cgroup: not in force")));
        const auto again = bp({"attach", scope, "80:3000", "--owner", std::to_string(kOwner)});
        EXPECT_EQ(again.status, 0) << again.err;
        EXPECT_THAT(bp({"doctor"}).out, Not(HasSubstr("the kernel does not run"))) << directory;
        EXPECT_THAT(bp({"doctor"}).out, Not(HasSubstr("root cgroup: not in force"))) << directory;
        EXPECT_TRUE(denied());
    }
    fs::remove(state_root() + "/guard/guard_bind4"); // the program as well
    fs::remove(state_root() + "/guard/link_guard_bind4");
    must({"attach", scope, "81:3001"}); // whatever command
    EXPECT_TRUE(denied());
}

TEST_F(TrustGuard, C12_ARuleAboveDoesNotMakeAnotherLowPortOfAGrantedOne) {
    REQUIRE_GRANTS();
    const Below child(cgroup->path() + "/child");
    const std::string above = "cgroup:" + cgroup->name(), below = above + "/child";
    const auto refused = [&](std::vector<std::string> words) {
        const auto result = bp(std::move(words));
        EXPECT_EQ(result.status, 1) << result.out;
        EXPECT_THAT(result.err, HasSubstr(fmt::format("port 80 is granted to {}, and 80:443 on {} "
                                                      "would make port 443 of it, which is not",
                                                      below, above)));
    };
    must({"grant", below, "80"});
    refused({"attach", above, "80:443"});
    must({"attach", above, "80:3000"});
    must({"detach", above});
    must({"grant", below, "443"});
    must({"attach", above, "80:443"});
    must({"revoke", below});
    refused({"grant", below, "80"});
    must({"grant", below, "80/udp"});
}

TEST_F(TrustGuard, E_AGuardInACgroupNamespaceIsRefused) {
    REQUIRE_PROGRAM("unshare");
    std::vector<std::string> words{
        "unshare", "--cgroup", "--mount", "sh", "-c", "mount -t cgroup2 none /mnt && exec \"$@\"",
        "sh"};
    for (const auto& word :
         bpfport_command({"--netns", netns->name(), "attach", "lo", "80:3000", "--owner", "4242"}))
        words.push_back(word);
    const auto refused = test::run(words, {.cgroup = cgroup.get()});
    if (refused.err.find("mount:") != std::string::npos) GTEST_SKIP() << refused.err;
    EXPECT_EQ(refused.status, 1) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("runs in a cgroup namespace"));
    EXPECT_EQ(entries(), "");
}

TEST_F(TrustGuard, C12_SeveralUsersOnOneTargetAreReported) {
    must({"attach", "--engine", "tc", "lo", "80:3000"});
    const auto own = hold(kOwner, "s.bind(('0.0.0.0', 3000)); s.listen()");
    EXPECT_THAT(bp({"doctor"}).out, Not(HasSubstr("several users'")));
    const auto other = hold(kOther,
                            "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\n"
                            "s.bind(('::', 3000)); s.listen()",
                            "AF_INET6");
    const auto report = bp({"doctor"});
    EXPECT_THAT(report.out, HasSubstr("tcp port 3000 is several users': python3"));
    EXPECT_THAT(report.out, HasSubstr("--owner"));
}

} // namespace
} // namespace bpfport::test
