// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/conflict.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

namespace {

bool same_interface(const PlacedRule& a, const PlacedRule& b) {
    return a.ifindex == 0 || b.ifindex == 0 || a.ifindex == b.ifindex;
}

bool same_address(const Rule& a, const Rule& b) {
    return !a.local() || !b.local() || a.local()->overlaps(*b.local());
}

// Some port is listened on by both and goes to two places. A range maps one to one or to one port,
// so if the first and the last common port agree, all do.
bool disagree(const Rule& a, const Rule& b) {
    if (a.protocol() != b.protocol() || !a.listen().overlaps(b.listen())) return false;
    auto [first, last] = common(a.listen(), b.listen());
    return a.target_of(first) != b.target_of(first) || a.target_of(last) != b.target_of(last);
}

// 127.0.0.1 and ::1 belong to no rule's interface; every rule that serves local clients claims
// them.
bool serves_loopback(const PlacedRule& placed) {
    return !placed.no_local && (!placed.rule.local() || placed.rule.local()->has_loopback());
}

std::string ports_text(PortRange ports, Protocol protocol) {
    return fmt::format("{} {}/{}", ports.size() == 1 ? "port" : "ports", ports.to_string(),
                       to_string(protocol));
}

std::unexpected<Error> refuse(const PlacedRule& added, const PlacedRule& other,
                              std::string_view reason, std::string hint) {
    return failure(
        fmt::format("{} conflicts with {}: {}", added.to_string(), other.to_string(), reason),
        std::move(hint));
}

Result<void> check_targets(const PlacedRule& added, const PlacedRule& other) {
    if (!disagree(added.rule, other.rule) || !same_address(added.rule, other.rule)) return {};
    PortRange ports = common(added.rule.listen(), other.rule.listen());
    auto text = ports_text(ports, added.rule.protocol());
    std::uint16_t there = other.rule.target_of(ports.first);
    if (same_interface(added, other))
        return refuse(added, other, fmt::format("listen {} already goes to {}", text, there),
                      "keep one of the two");
    if (serves_loopback(added) && serves_loopback(other))
        return refuse(
            added, other,
            fmt::format("local clients of 127.0.0.1 and ::1, listen {}, would have two targets",
                        text),
            "--no-local leaves local clients out of the new rule");
    return {};
}

// The interface does not matter here: the target port belongs to a socket, which serves them all.
Result<void> check_loop(const PlacedRule& added, const PlacedRule& other) {
    if (added.rule.protocol() != other.rule.protocol() || !same_address(added.rule, other.rule))
        return {};
    auto check = [&](const PlacedRule& from, const PlacedRule& to) -> Result<void> {
        if (!from.rule.target().overlaps(to.rule.listen())) return {};
        PortRange ports = common(from.rule.target(), to.rule.listen());
        return refuse(added, other,
                      fmt::format("{} would be the target of {} and the listen port of {}",
                                  ports_text(ports, added.rule.protocol()), from.rule.to_string(),
                                  to.rule.to_string()),
                      "a packet is redirected once: send both listen ports to one target");
    };
    if (auto loop = check(added, other); !loop) return loop;
    return check(other, added);
}

} // namespace

std::string PlacedRule::to_string() const {
    return fmt::format("{} on {}", rule.to_string(), scope_name);
}

Result<void> check_conflicts(std::span<const PlacedRule> existing,
                             std::span<const PlacedRule> added) {
    auto check = [](const PlacedRule& one, const PlacedRule& other) -> Result<void> {
        if (auto checked = check_targets(one, other); !checked) return checked;
        return check_loop(one, other);
    };
    for (std::size_t i = 0; i < added.size(); ++i) {
        for (const PlacedRule& other : existing) {
            auto checked = check(added[i], other);
            if (checked) continue;
            checked.error().hint +=
                fmt::format("; to take the attached one out: bpfport detach {} {}",
                            other.scope_name, other.rule.to_string());
            return checked;
        }
        for (const PlacedRule& other : added.first(i))
            if (auto checked = check(added[i], other); !checked) return checked;
    }
    return {};
}

bool already_there(std::span<const PlacedRule> existing, const PlacedRule& added) {
    return std::ranges::any_of(existing, [&](const PlacedRule& other) {
        return other.rule == added.rule && other.ifindex == added.ifindex &&
               other.no_local == added.no_local && other.forwarded == added.forwarded &&
               other.vlan == added.vlan;
    });
}

std::vector<Warning> warnings(std::span<const PlacedRule> added, PortRange ephemeral,
                              const PortList& reserved) {
    PortList exposed;
    std::vector<std::string> rules;
    for (const PlacedRule& placed : added) {
        auto before = exposed.size();
        for (PortRange ports : {placed.rule.listen(), placed.rule.target()}) {
            if (!ports.overlaps(ephemeral)) continue;
            auto open = missing_from(reserved, common(ports, ephemeral));
            exposed.insert(exposed.end(), open.begin(), open.end());
        }
        if (exposed.size() > before) rules.push_back(placed.rule.to_string());
    }
    if (exposed.empty()) return {};

    PortList all = reserved;
    all.insert(all.end(), exposed.begin(), exposed.end());
    exposed = merged(std::move(exposed));
    return {
        {fmt::format("port {} of {}: within {}, where the kernel takes source ports for outgoing "
                     "connections, so another program may hold it when it is needed",
                     to_string(exposed), fmt::join(rules, ", "), ephemeral.to_string()),
         fmt::format("sysctl -w net.ipv4.ip_local_reserved_ports={}",
                     to_string(merged(std::move(all))))}};
}

} // namespace bpfport
