// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/port_list.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "engine/registry.hpp"

namespace bpfport {

namespace {

std::string address_text(const std::optional<Prefix>& local) {
    if (!local) return "*";
    return local->is_v4() ? local->to_string() : fmt::format("[{}]", local->to_string());
}

// An AF_INET6 socket on :: that takes IPv4 as well is what "*" means; 0.0.0.0 and a v6only :: are
// not.
std::string listener_address(const Socket& socket) {
    if (socket.ipv6 && socket.local.is_any() && !socket.v6only.value_or(false)) return "*";
    if (!socket.ipv6 && socket.local.is_any()) return "0.0.0.0";
    return address_text(Prefix{socket.local});
}

std::string rule_text(const RuleView& rule) {
    return fmt::format("{} on {}", rule.rule.rule.to_string(), rule.scope);
}

std::string who(const Listener& listener) {
    return listener.process.empty() ? "an unknown process" : listener.process;
}

bool on_cgroup(const RuleSpec& rule) { return engine_of(rule).on_cgroups(); }

// Of a cgroup's rule, only from local clients.
bool hides(const RuleSpec& rule, const Socket& socket) {
    return takes_from(rule, socket) && !(on_cgroup(rule) && rule.has(BP_RULE_NO_LOCAL));
}

bool is_target(const RuleView& rule, const Listener& listener) {
    return gives_to(rule.rule, listener.socket);
}

bool overlap(const RuleSpec& left, const RuleSpec& right) {
    return left.rule.protocol() == right.rule.protocol() &&
           left.rule.listen().overlaps(right.rule.listen());
}

void note_rule(PortEntry& entry, const std::vector<RuleView>& rules,
               const std::vector<Listener>& listeners) {
    const RuleSpec& rule = entry.rule->rule;
    if (!entry.rule->in_force)
        entry.notes.emplace_back(on_cgroup(rule) ? "not in force"
                                                 : "not in force: its interface has no hooks");
    if (entry.rule->listeners.empty() && !rule.has(BP_RULE_FORWARDED))
        entry.notes.push_back(fmt::format("no program listens on {} {}",
                                          to_string(rule.rule.protocol()),
                                          rule.rule.target().to_string()));
    for (const auto& listener : listeners)
        if (hides(rule, listener.socket))
            entry.notes.push_back(fmt::format("hides {}{}", who(listener),
                                              on_cgroup(rule) ? " from local clients" : ""));
    for (const auto& other : rules) {
        if (&other == entry.rule) continue;
        if (overlap(rule, other.rule))
            entry.notes.push_back(fmt::format("same listen port as {}", rule_text(other)));
        else if (rule.rule.protocol() == other.rule.rule.protocol() &&
                 rule.rule.target().overlaps(other.rule.rule.target()))
            entry.notes.push_back(fmt::format("same target as {}", rule_text(other)));
    }
}

void note_listener(PortEntry& entry, const std::vector<RuleView>& rules) {
    for (const auto& rule : rules) {
        if (hides(rule.rule, entry.listener->socket))
            entry.notes.push_back(fmt::format("hidden by {}: new {}clients go to {}",
                                              rule_text(rule), on_cgroup(rule.rule) ? "local " : "",
                                              rule.rule.rule.target_of(entry.ports.first)));
        if (is_target(rule, *entry.listener))
            entry.notes.push_back(fmt::format("target of {}", rule_text(rule)));
    }
}

// The same program's sockets on the same address and port are one line.
bool same_place(const PortEntry& entry, const PortEntry& other) {
    return entry.protocol == other.protocol && entry.ports == other.ports &&
           entry.address == other.address && entry.scope == other.scope && other.listener &&
           entry.listener->process == other.listener->process;
}

} // namespace

std::vector<PortEntry> port_list(const std::vector<RuleView>& rules,
                                 const std::vector<Listener>& listeners,
                                 const std::vector<Interface>& interfaces) {
    std::vector<PortEntry> list;
    for (const auto& rule : rules) {
        PortEntry entry;
        entry.protocol = rule.rule.rule.protocol();
        entry.ports = rule.rule.rule.listen();
        entry.address = address_text(rule.rule.rule.local());
        entry.scope = rule.scope;
        entry.rule = &rule;
        note_rule(entry, rules, listeners);
        std::ranges::sort(entry.notes);
        entry.notes.erase(std::ranges::unique(entry.notes).begin(), entry.notes.end());
        list.push_back(std::move(entry));
    }
    for (const auto& listener : listeners) {
        PortEntry entry;
        entry.protocol = listener.socket.protocol;
        entry.ports = {listener.socket.local_port, listener.socket.local_port};
        entry.address = listener_address(listener.socket);
        entry.scope = scope_name(listener.socket.ifindex, interfaces);
        entry.listener = &listener;
        auto twin =
            std::ranges::find_if(list, [&](const auto& other) { return same_place(entry, other); });
        if (twin != list.end()) {
            twin->sockets++;
            continue;
        }
        note_listener(entry, rules);
        list.push_back(std::move(entry));
    }
    std::ranges::stable_sort(list, [](const PortEntry& left, const PortEntry& right) {
        return std::tuple(left.ports.first, left.protocol, left.listener != nullptr) <
               std::tuple(right.ports.first, right.protocol, right.listener != nullptr);
    });
    return list;
}

} // namespace bpfport
