// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/event_text.hpp"

#include <arpa/inet.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "bpfport/outcome.h"
#include "engine/plan.hpp"
#include "stats/snapshot.hpp"

namespace bpfport {

namespace {

constexpr const char* kLabels[] = {
#define BP_LABEL(name, label, text) label,
    BP_EVENTS(BP_LABEL)
#undef BP_LABEL
};

std::string comm_of(const bp_event& event) {
    return printable({event.comm, strnlen(event.comm, sizeof(event.comm))});
}

Address address_of(const __u8 (&bytes)[16]) { return Address::from_v6(bytes); }

bool is_unknown(const Address& address) { return address == Address{}; }

// A system call, of which the address is the one that was given: :: is one, too.
bool is_call(const bp_event& event) {
    return event.kind == BP_EVENT_BIND || event.kind == BP_EVENT_GRANTED ||
           event.kind == BP_EVENT_DENIED || event.kind == BP_EVENT_CONNECT;
}

std::string address_text(const Address& address) {
    return address.is_v4() ? address.to_string() : fmt::format("[{}]", address.to_string());
}

std::string endpoint(const Address& address, __be16 port) {
    std::string text = is_unknown(address) ? "?" : address_text(address);
    return port ? fmt::format("{}:{}", text, ntohs(port)) : text;
}

Address call_address(const bp_event& event) {
    return address_of(event.kind == BP_EVENT_CONNECT ? event.peer : event.local);
}

// The two ends of a packet, or the address that a system call was given.
std::string parties(const bp_event& event) {
    if (is_call(event))
        return fmt::format("{}:{}", address_text(call_address(event)), ntohs(event.listen_port));
    return fmt::format("{} > {}", endpoint(address_of(event.peer), event.peer_port),
                       endpoint(address_of(event.local),
                                event.listen_port ? event.listen_port : event.target_port));
}

// Where it happened: eth0, unit:web.
std::string place(const bp_event& event, const EventNames& names) {
    if (event.ifindex) return scope_name(event.ifindex, names.interfaces);
    auto cgroup = names.cgroups.find(event.cgroup);
    return cgroup == names.cgroups.end() ? "-" : cgroup->second;
}

const char* protocol_text(const bp_event& event) {
    if (!event.listen_port && !event.target_port && !event.peer_port) return "-"; // ICMP, malformed
    return event.proto == BP_UDP ? "udp" : "tcp";
}

std::string what_text(const bp_event& event) {
    if (event.kind == BP_EVENT_OUTCOME)
        return event.outcome < BP_OUTCOME_COUNT
                   ? fmt::format("{} ({})", outcome_label(event.outcome),
                                 outcome_text(event.outcome))
                   : "unknown outcome";
    return event_label(event.kind);
}

const RuleSpec* rule_of(const bp_event& event, const EventNames& names) {
    if (is_call(event)) return nullptr; // a place in the cgroup's policy, and the ports say it
    auto found = std::ranges::find(names.rules, event.rule, &RuleSpec::id);
    return event.rule && found != names.rules.end() ? &*found : nullptr;
}

std::string time_text(std::uint64_t time, const EventNames& names, const char* format) {
    auto wall = static_cast<std::int64_t>(time) + names.wall_offset;
    time_t seconds = static_cast<time_t>(wall / 1'000'000'000);
    tm local{};
    localtime_r(&seconds, &local);
    char text[40];
    std::size_t length = strftime(text, sizeof(text), format, &local);
    return fmt::format("{}.{:06}", std::string_view(text, length), wall % 1'000'000'000 / 1000);
}

} // namespace

const char* event_label(unsigned kind) {
    return kind < std::size(kLabels) ? kLabels[kind] : "unknown";
}

bool EventFilter::wants(const bp_event& event) const {
    if (!labels.empty()) {
        bool named = std::ranges::find(labels, event_label(event.kind)) != labels.end();
        if (event.kind == BP_EVENT_OUTCOME && event.outcome < BP_OUTCOME_COUNT)
            named |= std::ranges::find(labels, outcome_label(event.outcome)) != labels.end();
        if (!named) return false;
    }
    if (port) {
        __be16 wanted = htons(*port);
        if (event.peer_port != wanted && event.listen_port != wanted && event.target_port != wanted)
            return false;
    }
    if (peer && address_of(event.peer) != *peer) return false;
    if (interfaces.empty() && cgroups.empty()) return true;
    return is_call(event) ? std::ranges::find(cgroups, event.cgroup) != cgroups.end()
                          : std::ranges::find(interfaces, event.ifindex) != interfaces.end();
}

std::vector<std::string> trace_labels() {
    std::vector<std::string> known(std::begin(kLabels), std::end(kLabels));
    for (unsigned i = 0; i < BP_OUTCOME_COUNT; i++) known.emplace_back(outcome_label(i));
    return known;
}

Result<void> check_labels(const std::vector<std::string>& labels) {
    const auto known = trace_labels();
    for (const auto& label : labels)
        if (std::ranges::find(known, label) == known.end())
            return usage_error(fmt::format("no event or outcome is called {}", label),
                               fmt::format("there are {}", fmt::join(known, ", ")));
    return {};
}

std::string event_line(const bp_event& event, const EventNames& names) {
    std::string line = time_text(event.time, names, "%H:%M:%S");
    line += fmt::format(" {} {} {}", place(event, names), protocol_text(event), parties(event));
    if (event.target_port && event.listen_port && event.target_port != event.listen_port)
        line += fmt::format(" -> {}", ntohs(event.target_port));
    line += " " + what_text(event);
    if (event.pid)
        line += fmt::format(" {} (pid {}, uid {})", comm_of(event), event.pid, event.uid);
    if (const auto* rule = rule_of(event, names))
        line += fmt::format(" rule {} on {}", rule->rule.to_string(),
                            scope_name(rule->ifindex, names.interfaces));
    return line;
}

std::string event_json(const bp_event& event, const EventNames& names) {
    nlohmann::ordered_json json;
    json["time"] = time_text(event.time, names, "%FT%T");
    json["event"] = event_label(event.kind);
    if (event.kind == BP_EVENT_OUTCOME && event.outcome < BP_OUTCOME_COUNT)
        json["outcome"] = outcome_label(event.outcome);
    if (event.ifindex) json["interface"] = scope_name(event.ifindex, names.interfaces);
    if (const char* protocol = protocol_text(event); *protocol != '-') json["protocol"] = protocol;
    if (event.cgroup) json["cgroup"] = event.cgroup;
    if (is_call(event) && names.cgroups.contains(event.cgroup)) json["scope"] = place(event, names);
    Address peer = address_of(event.peer), local = address_of(event.local);
    if (is_call(event))
        json[event.kind == BP_EVENT_CONNECT ? "peer" : "local"] = call_address(event).to_string();
    else if (!is_unknown(peer))
        json["peer"] = peer.to_string();
    if (event.peer_port) json["peer_port"] = ntohs(event.peer_port);
    if (!is_call(event) && !is_unknown(local)) json["local"] = local.to_string();
    if (event.listen_port) json["listen_port"] = ntohs(event.listen_port);
    if (event.target_port) json["target_port"] = ntohs(event.target_port);
    if (const auto* rule = rule_of(event, names)) {
        json["rule"] = rule->rule.to_string();
        json["scope"] = scope_name(rule->ifindex, names.interfaces);
    }
    if (event.pid) {
        json["pid"] = event.pid;
        json["uid"] = event.uid;
        json["comm"] = comm_of(event);
    }
    return json_text(json);
}

} // namespace bpfport
