// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The guard: when the service is down, nobody else can take its target port.

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

constexpr uid_t kOwner = 4242;
constexpr uid_t kOther = 4243;

class CgroupGuard : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) REQUIRE_RULES();
        denial = kernel_at_least(5, 18) ? EACCES : EPERM;
    }
    [[nodiscard]] int bind(uid_t uid, std::uint16_t port, const Cgroup* where = nullptr,
                           int type = SOCK_STREAM) const {
        return bind_errno(*netns, {where, uid, {"0.0.0.0", port}, type});
    }
    int denial = EACCES;
};

TEST_F(CgroupGuard, OnlyTheOwnerAndRootBindTheTarget) {
    must({"attach", "lo", "80:3000", "--owner", std::to_string(kOwner)});
    EXPECT_EQ(bind(kOwner, 3000), 0);
    EXPECT_EQ(bind(0, 3000), 0);
    EXPECT_EQ(bind(kOther, 3000), denial);
    for (const char* address : {"127.0.0.1", "::", "::1", "::ffff:127.0.0.1"})
        EXPECT_EQ(bind_errno(*netns, {nullptr, kOther, {address, 3000}}), denial) << address;
    EXPECT_EQ(bind(kOther, 3000, nullptr, SOCK_DGRAM), 0) << "the rule is for TCP";
    EXPECT_EQ(bind(kOther, 3001), 0);
    const Netns elsewhere;
    EXPECT_EQ(bind_errno(elsewhere, {nullptr, kOther, {"0.0.0.0", 3000}}), 0)
        << "another network namespace is left alone";
    EXPECT_THAT(status(), HasSubstr("\"denied\": 5"));
    must({"detach", "lo"});
    EXPECT_EQ(bind(kOther, 3000), 0);
    EXPECT_EQ(entries(), "");
}

TEST_F(CgroupGuard, ACgroupCanBeTheOwner) {
    must({"attach", "lo", "80:3000", "--owner", "cgroup:" + cgroup->name()});
    EXPECT_EQ(bind(kOther, 3000, cgroup.get()), 0);
    EXPECT_EQ(bind(kOther, 3000), denial);
    EXPECT_THAT(status(), HasSubstr("\"owner\": \"cgroup:" + cgroup->name() + "\""));
}

TEST_F(CgroupGuard, OfACgroupsRule) {
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", scope, "80:3000", "--owner", scope});
    EXPECT_EQ(bind(kNobody, 80, cgroup.get()), 0) << "the hook sees the target port";
    EXPECT_EQ(bind(kNobody, 3000), denial);
}

TEST_F(CgroupGuard, AReservedListenPortIsNobodys) {
    must({"attach", "lo", "80:3000", "--reserve"});
    EXPECT_EQ(bind(0, 80), denial) << "root would be the one to take it by mistake";
    EXPECT_EQ(bind(kOther, 3000), 0);
    must({"detach", "lo"});
    EXPECT_EQ(bind(0, 80), 0);
}

TEST_F(CgroupGuard, APortHeldByAnotherUserIsRefused) {
    REQUIRE_PROGRAM("socat");
    Process holder({"socat", "-u", "TCP-LISTEN:3000,reuseaddr", "/dev/null"},
                   {.netns = netns.get(), .uid = kOther});
    ASSERT_TRUE(wait_for_port(*netns, 3000));
    auto refused = bp({"attach", "lo", "80:3000", "--owner", std::to_string(kOwner)});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("port 3000 is not user 4242's: socat"));
    EXPECT_EQ(entries(), "");
    must({"attach", "lo", "80:3000", "--owner", std::to_string(kOther)});
}

TEST_F(CgroupGuard, FollowsAChangedTarget) {
    must({"attach", "lo", "80:3000", "--owner", std::to_string(kOwner)});
    must({"attach", "lo", "80:4000", "--replace"});
    EXPECT_EQ(bind(kOther, 4000), denial);
    EXPECT_EQ(bind(kOwner, 4000), 0);
    EXPECT_EQ(bind(kOther, 3000), 0);
}

// What is refused has changed no guard: nor that of another rule with the same target.
TEST_F(CgroupGuard, ARefusedChangeMovesNothing) {
    must({"attach", "lo", "80:3000", "--owner", std::to_string(kOwner)});
    must({"attach", "lo", "82:4000", "--owner", std::to_string(kOther)});
    const std::string scope = "cgroup:" + cgroup->name(), owner = std::to_string(kOwner);
    must({"attach", scope, "81:3001", "--owner", owner});
    // The second rule's target is one that sockets get without a bind.
    for (const std::vector<std::string>& change :
         {std::vector<std::string>{"lo", "80:4000", "84:40000"}, {scope, "81:4000", "84:40000"}}) {
        std::vector<std::string> words{"attach", "--replace", "--owner", owner};
        words.insert(words.end(), change.begin(), change.end());
        const auto refused = bp(words);
        EXPECT_EQ(refused.status, 1);
        EXPECT_THAT(refused.err, HasSubstr("--owner: port 40000"));
        EXPECT_EQ(bind(kOther, 4000), 0) << "its guard is another user's now";
        EXPECT_EQ(bind(kOwner, 4000), denial);
    }
}

// A guard follows to a port only where its owner may hold it.
TEST_F(CgroupGuard, AGuardThatMovesIsChecked) {
    REQUIRE_PROGRAM("socat");
    must({"attach", "lo", "80:3000", "--owner", std::to_string(kOwner)});
    Process holder({"socat", "-u", "TCP-LISTEN:4000,reuseaddr", "/dev/null"},
                   {.netns = netns.get(), .uid = kOther});
    ASSERT_TRUE(wait_for_port(*netns, 4000));
    auto refused = bp({"attach", "lo", "80:4000", "--replace"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("port 4000 is not user 4242's: socat"));
    EXPECT_THAT(status(), HasSubstr("80:3000"));
}

TEST_F(CgroupGuard, AnUnknownOwnerIsExplained) {
    auto refused = bp({"attach", "lo", "80:3000", "--owner", "no-such-user"});
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.err, HasSubstr("no user \"no-such-user\""));
    EXPECT_EQ(bp({"attach", "lo", "80:3000", "--owner", "cgroup:/no/such"}).status, 1);
}

} // namespace
} // namespace bpfport::test
