// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Change: what a command has put in place before it fails is taken away by that command.
#include <utility>

#include <bpf/bpf.h>

#include "engine/change.hpp"
#include "facts/host_facts.hpp"
#include "kernel/bpf.hpp"
#include "kernel/link.hpp"
#include "kernel/netns.hpp"
#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

class CgroupChange : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) REQUIRE_RULES();
    }
    [[nodiscard]] int bind_as_root(std::uint16_t port) const {
        return bind_errno(*netns, {nullptr, 0, {"0.0.0.0", port}});
    }
};

TEST_F(CgroupChange, TakesAwayTheGuardOfARuleThatFails) {
    if (!open_socket(*netns, AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP, which sklookup can't serve";
    REQUIRE_KERNEL(5, 9); // sk_lookup
    const TcpServer program(*netns, {"::", 3000}, {.mptcp = true});
    const auto refused = bp({"attach", "lo", "80:3000", "--reserve", "--engine", "sklookup"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("engine sklookup can't serve port 3000"));
    EXPECT_EQ(bind_as_root(80), 0);
    EXPECT_EQ(entries(), "");
}

// What a plan would change is said as of interfaces.
TEST_F(CgroupChange, ExplainSaysWhatWouldBe) {
    const std::string scope = "cgroup:" + cgroup->name();
    const auto explained = bp({"attach", scope, "80:3000", "--explain"});
    EXPECT_EQ(explained.status, 0) << explained.err;
    EXPECT_THAT(explained.out, HasSubstr("80:3000 on " + scope + ": would be attached (cgroup)"));
    EXPECT_EQ(entries(), "");
    must({"attach", scope, "80:3000"});
    EXPECT_THAT(
        bp({"attach", scope, "80:3001", "--replace", "--explain"}).out,
        HasSubstr("80:3001 on " + scope + ": would be attached, replaces 80:3000 (cgroup)"));
    EXPECT_THAT(bp({"attach", scope, "80:3001", "--replace"}).out,
                HasSubstr("80:3001 on " + scope + ": attached, replaces 80:3000 (cgroup)"));
}

// A link that `bpftool link detach` has severed keeps no upgrade from being made, and is made again.
TEST_F(CgroupChange, UpgradeMakesADetachedLinkAgain) {
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", scope, "80:3000"});
    const auto own =
        Store::open(state_root(), Store::Access::kRead)
            .value()
            .path(cgroup_attachment_name(
                nlohmann::json::parse(status())["cgroups"][0]["cgroup"].get<std::uint64_t>()));
    const auto shared = std::filesystem::path(state_root()) / kLocalClientsDirectory;
    const std::filesystem::path links[] = {own / "link_bind4", shared / "link_lc_connect4"};
    for (const auto& link : links) {
        ASSERT_EQ(bpf_link_detach(open_pin(link).value().get()), 0) << link;
        ASSERT_EQ(linked_program(link), 0U);
    }
    age_build<bp_cgroup_meta>(own);
    age_build<bp_root_meta>(shared);
    must({"attach", scope, "81:3001"});
    for (const auto& link : links) EXPECT_NE(linked_program(link), 0U) << link;
    EXPECT_EQ(nlohmann::json::parse(status())["cgroups"][0]["in_force"], true);
    must({"detach", scope});
    EXPECT_EQ(entries(), "");
}

// A change that is only noted changes nothing, and the lock ends with the object.
TEST_F(CgroupChange, NothingHappensBeforeCommit) {
    const auto inside = ScopedNetns::enter(*open_netns(*parse_netns(netns->name())));
    ASSERT_TRUE(inside) << inside.error().message;
    const auto facts = host_facts(Owners::kSkip);
    ASSERT_TRUE(facts);
    const GuardRequest reserve{{}, true};
    const GuardedRules guarded{parse_rules("80:3000").value(), {}};
    std::vector<Warning> warnings;
    for (const bool commits : {false, true}) {
        auto change = Change::begin(state_root(), warnings);
        ASSERT_TRUE(change) << change.error().message;
        auto rules = NetnsRules::open(change->store());
        ASSERT_TRUE(rules) << rules.error().message;
        change->guard(reserve, guarded, *facts);
        RuleSpec rule{0, guarded.rules.front(), 0, BP_ENGINE_TC, 0, 0, 0};
        change->put(*rules, {rule});
        Change moved = std::move(*change);
        if (commits) {
            const auto done = moved.commit();
            ASSERT_TRUE(done) << done.error().message;
        }
        EXPECT_EQ(rules->rules().size(), commits ? 1U : 0U);
        EXPECT_EQ(bind_as_root(80) != 0, commits);
        EXPECT_EQ(entries() != "", commits);
    }
    must({"detach", "any"});
    EXPECT_EQ(entries(), "");
}

} // namespace
} // namespace bpfport::test
