// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A drain that was killed is finished by whatever command changes things next, wherever that is.
#include <csignal>
#include <thread>

#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

class Drain : public Trust {
  protected:
    void SetUp() override {
        Trust::SetUp();
        if (!IsSkipped()) REQUIRE_GRANTS();
    }
    // A rule whose drain was killed, and whose last connection has ended since.
    static void leave_a_drain(const ClientServer& net) {
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
        auto open = connected(net.client, {"10.1.0.2", 80});
        EXPECT_TRUE(alive(open));
        Process killed(
            bpfport_command({"--netns", net.server.name(), "detach", "eth0", "--drain"}));
        for (int i = 0; i < 100 && !is_draining(net); i++) std::this_thread::sleep_for(20ms);
        killed.signal(SIGKILL);
        killed.wait();
        ASSERT_TRUE(is_draining(net));
        open.reset();
        std::this_thread::sleep_for(100ms);
    }
    static bool is_draining(const ClientServer& net) {
        const auto now = test::status(net.server);
        return now["rules"].size() == 1 &&
               now["rules"][0]["notes"].get<std::string>().find("draining") != std::string::npos;
    }
};

TEST_F(Drain, IsFinishedByAGrantElsewhere) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_NO_FATAL_FAILURE(leave_a_drain(net));
    must({"grant", "cgroup:" + cgroup->name(), "80"});
    EXPECT_EQ(rules(net.server).size(), 0U);
    must({"revoke", "cgroup:" + cgroup->name()});
    EXPECT_EQ(entries(), "");
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(Drain, IsFinishedByRunAndByACgroupsRule) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_NO_FATAL_FAILURE(leave_a_drain(net));
    EXPECT_EQ(
        bp({"run", "--user", "nobody", "--grant", "80", "--", "true"}, {.cgroup = cgroup.get()})
            .status,
        0);
    EXPECT_EQ(rules(net.server).size(), 0U);
    ASSERT_NO_FATAL_FAILURE(leave_a_drain(net));
    must({"attach", "cgroup:" + cgroup->name(), "81:3001"});
    EXPECT_EQ(rules(net.server).size(), 0U);
    must({"detach", "cgroup:" + cgroup->name()});
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// What can't be finished there is no reason to leave undone what is asked for here.
TEST_F(Drain, ThatCantBeFinishedElsewhereIsAWarning) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_NO_FATAL_FAILURE(leave_a_drain(net));
    ASSERT_TRUE(std::filesystem::remove(instance_directory(net.server) / "records"));
    const auto granted = bp({"grant", "cgroup:" + cgroup->name(), "80"});
    EXPECT_EQ(granted.status, 0) << granted.err;
    EXPECT_THAT(granted.err, HasSubstr("warning: a drain"));
    EXPECT_EQ(bpfport({"detach", "--all"}).status, 0);
}

} // namespace
} // namespace bpfport::test
