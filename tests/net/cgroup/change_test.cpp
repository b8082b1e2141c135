// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Change: what a command has put in place before it fails is taken away by that command.
#include <algorithm>
#include <utility>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "engine/change.hpp"
#include "facts/host_facts.hpp"
#include "kernel/bpf.hpp"
#include "kernel/link.hpp"
#include "kernel/netns.hpp"
#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

using testing::Not;

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

// Two scopes that name one cgroup are one: what is attached by the first is not overwritten, nor found to
// be in the way of the second.
TEST_F(CgroupChange, ScopesOfOneCgroupAreOne) {
    const std::string scope = "cgroup:" + cgroup->name();
    const InCgroup inside(*cgroup);
    const std::string process = fmt::format("pid:{}", getpid());
    const auto rules = [&] {
        return nlohmann::json::parse(status())["cgroups"][0]["rules"].size();
    };
    must({"attach", scope, process, "80:3000", "81:auto"});
    EXPECT_EQ(rules(), 2U);
    const auto twice = bp({"attach", process, scope, "82:auto"});
    EXPECT_EQ(twice.status, 0) << twice.err;
    EXPECT_EQ(std::ranges::count(twice.out, '('), 1) << twice.out;
    EXPECT_EQ(rules(), 3U);
    must({"detach", scope, process, "80:3000"});
    EXPECT_EQ(rules(), 2U);
    must({"detach", process, scope});
    EXPECT_EQ(entries(), "");
}

// Of several cgroups all are changed, or none.
TEST_F(CgroupChange, OfSeveralCgroupsAllAreChangedOrNone) {
    const Cgroup other;
    const std::string first = "cgroup:" + cgroup->name(), second = "cgroup:" + other.name();
    must({"attach", first, "80:3000"});
    const auto detached = bp({"detach", first, second, "80:3000"});
    EXPECT_EQ(detached.status, 1);
    EXPECT_THAT(detached.err, HasSubstr("no rule is attached to " + second));
    EXPECT_THAT(status(), HasSubstr("80:3000"));
    must({"attach", second, "81:3001"});
    must({"detach", first, second});
    EXPECT_EQ(entries(), "");
}

// The list of local addresses is called full when it is, not when an address is not local or no rule asks
// for it.
TEST_F(CgroupChange, AnAddressThatIsNotLocalIsNotMissed) {
    const std::string scope = "cgroup:" + cgroup->name();
    netns->ip("link add v0 type veth peer name v1");
    netns->sysctl("net/ipv6/conf/v0/accept_dad", "1");
    netns->sysctl("net/ipv6/conf/v0/dad_transmits", "1");
    netns->ip("-6 addr add fd09::7/64 dev v0"); // tentative until the link is up
    netns->ip("addr add 10.9.0.1/24 dev lo");
    for (const std::vector<std::string>& options : {std::vector<std::string>{}, {"--no-local"}}) {
        std::vector<std::string> words{"attach", scope, "80:3000"};
        words.insert(words.end(), options.begin(), options.end());
        const auto attached = bp(words);
        EXPECT_EQ(attached.status, 0) << attached.err;
        EXPECT_EQ(attached.err, "");
        EXPECT_THAT(bp({"status"}).out, Not(HasSubstr("came later")));
        must({"detach", scope});
    }
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
