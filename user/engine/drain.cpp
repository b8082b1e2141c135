// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/drain.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "bpfport/flow.h"
#include "kernel/sock_diag.hpp"

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
        if (!record.listen_port) continue; // on record as direct
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

Result<void> finish_drains(TcEngine& engine) {
    auto waits = [](const InstalledRule& rule) {
        return rule.has(BP_RULE_DRAINING | BP_RULE_TC_FLOWS) || rule.old_target_first;
    };
    if (!engine.instance() || std::ranges::none_of(engine.rules(), waits)) return {};
    auto open = open_connections(*engine.instance());
    if (!open) return std::unexpected(open.error());
    auto rules = engine.rules();
    std::erase_if(rules, [&](const InstalledRule& rule) {
        return rule.has(BP_RULE_DRAINING) && !open->by_rule.contains(rule.id);
    });
    for (auto& rule : rules) {
        if (!open->on_old_target.contains(rule.id)) rule.old_target_first = 0;
        if (open->count_by_tc(rule.id) == 0)
            rule.flags &= static_cast<std::uint16_t>(~BP_RULE_TC_FLOWS);
    }
    return engine.apply(std::move(rules));
}

} // namespace bpfport
