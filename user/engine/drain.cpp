// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/drain.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bpfport/flow.h"
#include "kernel/netns.hpp"
#include "kernel/sock_diag.hpp"
#include "state/netns_identity.hpp"

namespace bpfport {

Result<OpenConnections> open_connections(const Instance& instance) {
    auto map = instance.open_pin(pins::kRecords);
    if (!map) return std::unexpected(map.error());
    auto stored = stored_sockets(map->get());
    if (!stored) return std::unexpected(stored.error());
    std::map<std::uint16_t, Rule> rules;
    for (const auto& rule : instance.table().rules()) rules.emplace(rule.id, rule.rule);

    OpenConnections open;
    for (const auto& [socket, value] : *stored) {
        bp_record record{};
        if (value.size() < sizeof(record)) continue;
        std::memcpy(&record, value.data(), sizeof(record));
        if (!record.listen_port) continue; // direct, or a listener
        open.by_rule[record.rule]++;
        if (socket.local_port == ntohs(record.listen_port)) {
            open.steered[record.rule]++;
            continue;
        }
        auto rule = rules.find(record.rule);
        if (rule != rules.end() && !rule->second.target().contains(socket.local_port))
            open.on_old_target[record.rule]++;
    }
    return open;
}

unsigned OpenConnections::count_by_tc(std::uint16_t rule) const {
    auto count = [&](const auto& map) {
        auto found = map.find(rule);
        return found == map.end() ? 0U : found->second;
    };
    return count(by_rule) - count(steered);
}

namespace {

std::vector<std::uint64_t> waiting_netns(const Store& store) {
    std::vector<std::uint64_t> found;
    for (const auto& entry : store.entries()) {
        std::uint64_t netns = 0;
        if (!parse_instance_name(entry, netns)) continue;
        auto instance = Instance::open(store, netns, Store::Access::kRead);
        if (instance && instance->table().any_waits()) found.push_back(netns);
    }
    return found;
}

// In its own network namespace. Nothing is done when that is gone: the sweep takes it away.
Result<void> finish_in(Store& store, std::uint64_t netns) {
    auto here = current_netns_inode();
    if (!here) return std::unexpected(here.error());
    std::optional<ScopedNetns> inside;
    if (netns != *here) {
        auto found = find_netns(netns);
        if (!found) return {};
        auto entered = ScopedNetns::enter(*found);
        if (!entered) return std::unexpected(entered.error());
        inside.emplace(std::move(*entered));
    }
    auto engine = NetnsRules::open(store);
    if (!engine) return std::unexpected(engine.error());
    if (!engine->instance() || !is_of_this_netns(*engine->instance())) return {};
    return finish_drains(*engine);
}

} // namespace

Result<void> finish_drains(NetnsRules& engine) {
    if (!engine.instance() || !engine.instance()->table().any_waits()) return {};
    auto open = open_connections(*engine.instance());
    if (!open) return std::unexpected(open.error());
    auto rules = engine.rules();
    std::erase_if(rules, [&](const RuleSpec& rule) {
        return rule.has(BP_RULE_DRAINING) && !open->by_rule.contains(rule.id);
    });
    for (auto& rule : rules) {
        if (!open->on_old_target.contains(rule.id)) rule.old_target_first = 0;
        if (open->count_by_tc(rule.id) == 0)
            rule.flags &= static_cast<std::uint16_t>(~BP_RULE_TC_FLOWS);
    }
    return engine.apply(std::move(rules));
}

std::vector<Warning> finish_all_drains(Store& store) {
    std::vector<Warning> warnings;
    for (const std::uint64_t netns : waiting_netns(store)) {
        if (auto finished = finish_in(store, netns); !finished)
            warnings.push_back({fmt::format("a drain in network namespace {} can't be finished: {}",
                                            netns, finished.error().message),
                                finished.error().hint});
    }
    return warnings;
}

bool has_drains(const Store& store) { return !waiting_netns(store).empty(); }

} // namespace bpfport
