// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Events as text and JSON, and the filters of the command line.
#include "trace/event_text.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>

#include "bpfport/outcome.h"

namespace bpfport {

namespace {

bp_event event(unsigned kind, unsigned outcome = 0) {
    bp_event event{};
    event.kind = static_cast<__u8>(kind);
    event.outcome = static_cast<__u8>(outcome);
    event.ifindex = 2;
    event.rule = 1;
    auto peer = *parse_address("192.0.2.7"), local = *parse_address("192.0.2.1");
    std::memcpy(event.peer, peer.bytes.data(), 16);
    std::memcpy(event.local, local.bytes.data(), 16);
    event.peer_port = htons(40000);
    event.listen_port = htons(80);
    event.target_port = htons(3000);
    return event;
}

EventNames names() {
    EventNames names;
    Interface eth0;
    eth0.ifindex = 2;
    eth0.name = "eth0";
    names.interfaces = {eth0};
    names.rules = {{1, parse_rules("80:3000").value().front(), 2, 0, 0, 0, 0}};
    return names;
}

TEST(Event, Line) {
    auto line = event_line(event(BP_EVENT_CONNECTION), names());
    EXPECT_NE(line.find(" eth0 tcp 192.0.2.7:40000 > 192.0.2.1:80 -> 3000 connection rule 80:3000 "
                        "on eth0"),
              std::string::npos)
        << line;
    line = event_line(event(BP_EVENT_OUTCOME, BP_OUTCOME_NOT_LOCAL), names());
    EXPECT_NE(line.find("not_local (left alone"), std::string::npos) << line;
    bp_event malformed{};
    malformed.kind = BP_EVENT_OUTCOME;
    malformed.outcome = BP_OUTCOME_MALFORMED;
    EXPECT_NE(event_line(malformed, names()).find("- - ? > ? malformed"), std::string::npos);
}

bp_event call(unsigned kind, const char* address) {
    bp_event event{};
    event.kind = static_cast<__u8>(kind);
    event.cgroup = 7;
    event.rule = 1; // a place in the policy, not a rule of the table
    auto bytes = parse_address(address)->bytes;
    std::memcpy(kind == BP_EVENT_CONNECT ? event.peer : event.local, bytes.data(), 16);
    event.listen_port = htons(80);
    event.target_port = htons(3000);
    event.pid = 812;
    event.uid = 33;
    std::strcpy(event.comm, "nginx");
    return event;
}

TEST(Event, SystemCalls) {
    auto known = names();
    known.cgroups = {{7, "unit:web"}};
    for (auto [event, says] :
         {std::pair{call(BP_EVENT_BIND, "0.0.0.0"), " unit:web tcp 0.0.0.0:80 -> 3000 bind nginx "},
          {call(BP_EVENT_BIND, "::"), " unit:web tcp [::]:80 -> 3000 bind "},
          {call(BP_EVENT_CONNECT, "127.0.0.1"), " tcp 127.0.0.1:80 -> 3000 connect nginx "}}) {
        auto line = event_line(event, known);
        EXPECT_NE(line.find(says), std::string::npos) << line;
        EXPECT_NE(line.find("(pid 812, uid 33)"), std::string::npos) << line;
        EXPECT_EQ(line.find("rule"), std::string::npos) << line;
    }
    auto granted = call(BP_EVENT_GRANTED, "::1");
    granted.target_port = granted.listen_port;
    auto line = event_line(granted, names());
    EXPECT_NE(line.find(" - tcp [::1]:80 granted"), std::string::npos) << line;
    auto json = event_json(call(BP_EVENT_BIND, "::"), known);
    for (const char* part : {R"("event":"bind")", R"("local":"::")", R"("scope":"unit:web")",
                             R"("cgroup":7)", R"("uid":33)", R"("target_port":3000)"})
        EXPECT_NE(json.find(part), std::string::npos) << json;
}

TEST(Event, Json) {
    auto json = event_json(event(BP_EVENT_OUTCOME, BP_OUTCOME_TAGGED), names());
    for (const char* part : {R"("outcome":"tagged")", R"("peer":"192.0.2.7")",
                             R"("listen_port":80)", R"("rule":"80:3000")", R"("interface":"eth0")"})
        EXPECT_NE(json.find(part), std::string::npos) << json;
}

TEST(Event, Filters) {
    auto made = event(BP_EVENT_CONNECTION), left = event(BP_EVENT_OUTCOME, BP_OUTCOME_NOT_LOCAL);
    struct Case {
        const char* what;
        EventFilter filter;
        bool made, left;
    } cases[] = {
        {"none", {}, true, true},
        {"cgroup", {{}, {}, {}, {}, {7}}, false, false},
        {"event", {{"connection"}, {}, {}, {}, {}}, true, false},
        {"outcome", {{"not_local"}, {}, {}, {}, {}}, false, true},
        {"all outcomes", {{"outcome"}, {}, {}, {}, {}}, false, true},
        {"listen port", {{}, 80, {}, {}, {}}, true, true},
        {"client port", {{}, 40000, {}, {}, {}}, true, true},
        {"other port", {{}, 81, {}, {}, {}}, false, false},
        {"peer", {{}, {}, parse_address("192.0.2.7"), {}, {}}, true, true},
        {"other peer", {{}, {}, parse_address("192.0.2.8"), {}, {}}, false, false},
        {"interface", {{}, {}, {}, {2}, {}}, true, true},
        {"other interface", {{}, {}, {}, {3}, {}}, false, false},
    };
    for (const auto& one : cases) {
        EXPECT_EQ(one.filter.wants(made), one.made) << one.what;
        EXPECT_EQ(one.filter.wants(left), one.left) << one.what;
    }
    EventFilter of_cgroup{{}, {}, {}, {}, {7}}, of_other{{}, {}, {}, {2}, {8}};
    EXPECT_TRUE(of_cgroup.wants(call(BP_EVENT_BIND, "::")));
    EXPECT_FALSE(of_other.wants(call(BP_EVENT_BIND, "::")));
    EXPECT_TRUE(of_other.wants(made)) << "interfaces and cgroups together";
    EXPECT_TRUE(check_labels({"connection", "older_direct"}));
    auto wrong = check_labels({"nonsense"});
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().hint.find("not_local"), std::string::npos);
}

} // namespace

} // namespace bpfport
