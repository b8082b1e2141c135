// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What can be seen of cgroups' rules, grants and guards: trace, metrics, ss, stats, doctor.
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "net/cgroup_fixture.hpp"
#include "net/observe/tracing.hpp"

namespace bpfport::test {
namespace {

constexpr uid_t kOwner = 4242;

class CgroupWatch : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_GRANTS();
        scope_ = "cgroup:" + cgroup->name();
        must({"attach", scope_, "80:3000", "--owner", std::to_string(kOwner)});
        must({"grant", scope_, "90"});
    }
    void TearDown() override {
        server_.reset();
        CgroupTest::TearDown();
    }
    // A server in the cgroup, one client inside, two outside, one granted bind, one denied bind.
    void act() {
        {
            InCgroup inside(*cgroup);
            server_ = std::make_unique<TcpServer>(*netns, Endpoint{"127.0.0.1", 80});
            ASSERT_TRUE(TcpClient::connect(*netns, {"127.0.0.1", 80}));
        }
        for (int i = 0; i < 2; i++) ASSERT_TRUE(TcpClient::connect(*netns, {"127.0.0.1", 80}));
        ASSERT_EQ(bind_errno(*netns, {cgroup.get(), kNobody, {"::1", 90}}), 0);
        ASSERT_NE(bind_errno(*netns, {nullptr, kNobody, {"127.0.0.2", 3000}}), 0);
    }
    [[nodiscard]] Process trace(std::vector<std::string> words) const {
        words.insert(words.begin(), {"--netns", netns->name(), "trace", "--json"});
        return tracing(std::move(words));
    }
    static std::vector<nlohmann::json> lines(const std::string& text) {
        std::vector<nlohmann::json> found;
        std::istringstream stream(text);
        for (std::string line; std::getline(stream, line);)
            found.push_back(nlohmann::json::parse(line));
        return found;
    }

    std::string scope_;
    std::unique_ptr<TcpServer> server_;
};

TEST_F(CgroupWatch, TraceTellsWhoDidWhat) {
    auto all = trace({});
    act();
    std::this_thread::sleep_for(700ms);
    auto events = lines(all.stop().out);
    const std::string name = std::string(program_invocation_short_name).substr(0, 15);
    std::map<std::string, unsigned> count;
    for (const auto& event : events) {
        count[event["event"]]++;
        EXPECT_EQ(event["comm"], name) << event;
        EXPECT_EQ(event["protocol"], "tcp");
        if (event["event"] != "denied") {
            EXPECT_EQ(event["scope"], scope_) << event;
        }
        if (event["event"] == "bind") {
            EXPECT_EQ(event["local"], "127.0.0.1");
            EXPECT_EQ(event["listen_port"], 80);
            EXPECT_EQ(event["target_port"], 3000);
            EXPECT_EQ(event["uid"], 0);
        } else if (event["event"] == "granted") {
            EXPECT_EQ(event["local"], "::1");
            EXPECT_EQ(event["listen_port"], 90);
            EXPECT_EQ(event["uid"], kNobody);
        } else if (event["event"] == "denied") {
            EXPECT_EQ(event["local"], "127.0.0.2");
            EXPECT_EQ(event["listen_port"], 3000);
        }
    }
    const std::map<std::string, unsigned> expected{
        {"bind", 1}, {"connect", 3}, {"granted", 1}, {"denied", 1}};
    EXPECT_EQ(count, expected);
}

TEST_F(CgroupWatch, TraceOfOneCgroup) {
    const Cgroup other;
    must({"grant", "cgroup:" + other.name(), "91"});
    auto one = trace({"cgroup:" + other.name()});
    act();
    ASSERT_EQ(bind_errno(*netns, {&other, kNobody, {"127.0.0.1", 91}}), 0);
    std::this_thread::sleep_for(700ms);
    auto events = lines(one.stop().out);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0]["event"], "granted");
    EXPECT_EQ(events[0]["listen_port"], 91);
    must({"revoke", "cgroup:" + other.name()});
}

TEST_F(CgroupWatch, MetricsCountSystemCalls) {
    act();
    auto text = bp({"metrics"}).out;
    auto calls = [&](const std::string& rule, const std::string& call, const std::string& result,
                     unsigned count) {
        return "bpfport_calls_total{rule=\"" + rule + "\",scope=\"" + scope_ +
               "\",protocol=\"tcp\",engine=\"cgroup\",call=\"" + call + "\",result=\"" + result +
               "\"} " + std::to_string(count) + "\n";
    };
    EXPECT_THAT(text, HasSubstr(calls("80:3000", "bind", "rewritten", 1)));
    EXPECT_THAT(text, HasSubstr(calls("80:3000", "connect", "rewritten", 3)));
    EXPECT_THAT(text, HasSubstr(calls("80:3000", "bind", "denied", 1)));
    EXPECT_THAT(text, HasSubstr(calls("90", "bind", "granted", 1)));
    EXPECT_THAT(text, HasSubstr("bpfport_target_up{rule=\"80:3000\",scope=\"" + scope_ +
                                "\",protocol=\"tcp\",engine=\"cgroup\"} 1"));
    EXPECT_THAT(text, testing::Not(HasSubstr("bpfport_packets_total")));
    EXPECT_THAT(text, testing::Not(HasSubstr("bpfport_outcome_packets_total")));
    auto everywhere = bpfport({"metrics", "--all-netns"}).out;
    EXPECT_THAT(everywhere,
                HasSubstr("engine=\"cgroup\",netns=\"" + std::to_string(netns->inode()) +
                          "\",call=\"connect\",result=\"rewritten\"} 3"));
}

TEST_F(CgroupWatch, DenialsCountForInterfacesRulesToo) {
    must({"attach", "lo", "81:3001", "--engine", "tc", "--owner", std::to_string(kOwner)});
    for (int i = 0; i < 2; i++)
        ASSERT_NE(bind_errno(*netns, {nullptr, kNobody, {"127.0.0.1", 3001}}), 0);
    EXPECT_THAT(bp({"metrics"}).out, HasSubstr("engine=\"tc\",call=\"bind\",result=\"denied\"} 2"));
}

TEST_F(CgroupWatch, ListsShowTheRule) {
    act();
    auto stats = nlohmann::json::parse(bp({"stats", "--json"}).out);
    ASSERT_EQ(stats["rules"].size(), 1U);
    EXPECT_EQ(stats["rules"][0]["engine"], "cgroup");
    EXPECT_EQ(stats["rules"][0]["target_up"], true);
    EXPECT_FALSE(stats["rules"][0].contains("packets_in")) << "it sees no packet";
    EXPECT_EQ(stats["rules"][0]["calls"][0]["count"], 1);
    EXPECT_THAT(bp({"stats"}).out, HasSubstr("3 connect rewritten"));

    auto list = nlohmann::json::parse(bp({"ss", "--json"}).out);
    ASSERT_EQ(list.size(), 2U) << list;
    EXPECT_EQ(list[0]["kind"], "redirect");
    EXPECT_EQ(list[0]["engine"], "cgroup");
    EXPECT_EQ(list[0]["scope"], scope_);
    EXPECT_EQ(list[0]["target_first"], 3000);
    EXPECT_FALSE(list[0].contains("packets_in"));
    EXPECT_EQ(list[1]["kind"], "listener");
    EXPECT_EQ(list[1]["first_port"], 3000);
    EXPECT_THAT(list[1]["notes"].dump(), HasSubstr("target of 80:3000 on " + scope_));
    EXPECT_THAT(bp({"ss"}).out, HasSubstr("-> 3000 net_tests"));
}

TEST_F(CgroupWatch, StatusCountsAndShowsWhatWasChosen) {
    act();
    auto now = nlohmann::json::parse(status());
    const auto rule = now["cgroups"][0]["rules"][0];
    EXPECT_EQ(now["cgroups"][0]["in_force"], true);
    EXPECT_EQ(rule["binds"], 1);
    EXPECT_EQ(rule["connects"], 1) << "of its own clients";
    EXPECT_EQ(rule["neighbour_connects"], 2);
    EXPECT_EQ(now["cgroups"][0]["grants"][0]["binds"], 1);
    EXPECT_EQ(now["guards"][0]["denied"], 1);
    EXPECT_THAT(bp({"status"}).out, HasSubstr(scope_));

    const Cgroup second, third;
    for (const auto* one : {&second, &third}) must({"attach", "cgroup:" + one->name(), "443:auto"});
    std::set<std::string> chosen;
    now = nlohmann::json::parse(status());
    for (const auto& one : now["cgroups"])
        if (one["rules"][0]["auto"] == true) chosen.insert(one["rules"][0]["rule"]);
    EXPECT_EQ(chosen.size(), 2U) << "each has a target of its own";
    for (const auto& text : chosen) EXPECT_THAT(bp({"status"}).out, HasSubstr(text));
}

TEST_F(CgroupWatch, DoctorSaysWhatIsMissing) {
    auto before = bp({"doctor"});
    EXPECT_EQ(before.status, 1);
    EXPECT_THAT(before.out,
                HasSubstr("80:3000 on " + scope_ + ": no program listens on tcp port 3000"));
    act();
    auto served = bp({"doctor"});
    EXPECT_THAT(served.out, testing::Not(HasSubstr("no program listens")));
    EXPECT_THAT(served.out, HasSubstr("90 may be bound by its"));
    netns->ip("addr add 10.9.0.1/24 dev lo");
    EXPECT_THAT(bp({"doctor"}).out, HasSubstr("address 10.9.0.1: it came after"));
}

} // namespace
} // namespace bpfport::test
