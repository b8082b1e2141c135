// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Cgroups' rules as lists, metrics and the doctor show them, from snapshots made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "doctor/cgroup_checks.hpp"
#include "stats/metrics.hpp"
#include "stats/port_list.hpp"

namespace bpfport {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

RuleView make_rule(const char* text, std::uint16_t flags = 0) {
    return {.rule = {0, parse_rules(text)->front(), 0, BP_ENGINE_CGROUP, flags},
            .scope = "unit:web",
            .cgroup = CgroupUse{.counters = {4, 5, 6}, .neighbours = {50, 60}}};
}

CgroupSnapshot make_snapshot(RuleView rule) {
    CgroupSnapshot snapshot;
    CgroupStatus cgroup;
    cgroup.scope = "unit:web";
    cgroup.in_force = true;
    cgroup.rules = {std::move(rule)};
    cgroup.grants = {{{{443, 443}, Protocol::kTcp, 0}, 9}};
    snapshot.cgroups = {std::move(cgroup)};
    return snapshot;
}

GuardStatus make_guard(std::uint16_t port, std::uint8_t kind, std::uint64_t denied) {
    GuardStatus guard{{7, port, Protocol::kTcp, {}}, true, true};
    guard.guard.entry.kind = kind;
    guard.guard.entry.denied = denied;
    return guard;
}

std::string text_of(const CgroupSnapshot& snapshot) {
    Metrics metrics;
    metrics.add(View{{}, snapshot, {}});
    metrics.add_grants(snapshot);
    return metrics_text(metrics.families());
}

std::vector<std::string> findings_of(const CgroupSnapshot& snapshot, const HostFacts& facts = {}) {
    Findings findings;
    check_cgroups(snapshot, facts, findings);
    std::vector<std::string> lines;
    for (const auto& one : findings)
        lines.push_back(std::string(severity_name(one.severity)) + " " + one.subject + ": " +
                        one.text);
    return lines;
}

TEST(CgroupMetrics, SystemCallsOfAllClients) {
    auto snapshot = make_snapshot(make_rule("80:3000"));
    const std::string labels = R"({rule="80:3000",scope="unit:web",protocol="tcp",engine="cgroup")";
    EXPECT_THAT(text_of(snapshot),
                AllOf(HasSubstr(labels + R"(,call="bind",result="rewritten"} 4)"),
                      HasSubstr(labels + R"(,call="connect",result="rewritten"} 55)"),
                      HasSubstr(R"(rule="443",scope="unit:web",protocol="tcp",engine="cgroup",)"
                                R"(call="bind",result="granted"} 9)"),
                      Not(HasSubstr("sendmsg")), Not(HasSubstr("denied"))));
    EXPECT_THAT(text_of(make_snapshot(make_rule("53:5300/udp"))),
                HasSubstr(R"(call="sendmsg",result="rewritten"} 66)"));
    EXPECT_THAT(text_of(make_snapshot(make_rule("80:3000", BP_RULE_NO_LOCAL))),
                Not(HasSubstr("connect")));
    snapshot.cgroups[0].rules[0].cgroup->here = false;
    EXPECT_THAT(text_of(snapshot), AllOf(Not(HasSubstr("rewritten")), HasSubstr("granted")));
}

TEST(CgroupMetrics, DenialsGoToTheRuleWhosePortIsGuarded) {
    auto snapshot = make_snapshot(make_rule("80:3000"));
    snapshot.guards = {make_guard(3000, BP_GUARD_USER, 2), make_guard(80, BP_GUARD_RESERVE, 3),
                       make_guard(80, BP_GUARD_USER, 100), make_guard(3001, BP_GUARD_USER, 100)};
    EXPECT_THAT(text_of(snapshot), HasSubstr(R"(call="bind",result="denied"} 5)"));
    snapshot.guards[0].guard.protocol = Protocol::kUdp;
    EXPECT_THAT(text_of(snapshot), HasSubstr(R"(call="bind",result="denied"} 3)"));
    snapshot.guards[1].here = false;
    EXPECT_THAT(text_of(snapshot), Not(HasSubstr("denied")));
}

TEST(CgroupPortList, HidesFromLocalClientsOnly) {
    Listener httpd;
    httpd.socket.local_port = 80;
    httpd.process = "httpd (pid 1, user root)";
    auto rules = View{{}, make_snapshot(make_rule("80:3000")), {}}.rules();
    auto list = port_list(rules, {httpd}, {});
    ASSERT_EQ(list.size(), 2U);
    EXPECT_THAT(list[0].notes, Contains("hides httpd (pid 1, user root) from local clients"));
    EXPECT_THAT(list[1].notes,
                Contains("hidden by 80:3000 on unit:web: new local clients go to 3000"));
    rules = View{{}, make_snapshot(make_rule("80:3000", BP_RULE_NO_LOCAL)), {}}.rules();
    EXPECT_THAT(port_list(rules, {httpd}, {})[1].notes, testing::IsEmpty());
}

TEST(CgroupDoctor, SaysWhatIsNotServed) {
    auto snapshot = make_snapshot(make_rule("80:3000"));
    EXPECT_THAT(findings_of(snapshot),
                Contains("broken 80:3000 on unit:web: no program listens on tcp "
                         "port 3000: clients are refused"));
    Listener server;
    server.socket.local_port = 3000;
    server.process = "web (pid 2, user www)";
    snapshot.cgroups[0].rules[0].listeners = {server};
    for (const auto& line : findings_of(snapshot)) EXPECT_THAT(line, testing::StartsWith("ok "));
    snapshot.cgroups[0].in_force = false;
    snapshot.cgroups[0].rules[0].cgroup->contested = true;
    snapshot.neighbours_in_force = false;
    snapshot.unserved = {"192.0.2.1"};
    snapshot.guards = {make_guard(3000, BP_GUARD_USER, 0)};
    snapshot.guards[0].in_force = false;
    Listener rival = server;
    rival.socket.local_port = 80;
    HostFacts facts;
    facts.listeners = {rival};
    auto lines = findings_of(snapshot, facts);
    for (const char* start :
         {"broken unit:web: not in force", "note 80:3000 on unit:web: another cgroup claims",
          "broken root cgroup: not in force", "warning address 192.0.2.1: it came after",
          "broken port 3000: not guarded", "warning 80:3000 on unit:web: web (pid 2"})
        EXPECT_THAT(lines, Contains(testing::StartsWith(start)));
}

} // namespace
} // namespace bpfport
