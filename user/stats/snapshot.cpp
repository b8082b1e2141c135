// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/snapshot.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "bpfport/meta.h"
#include "engine/drain.hpp"
#include "engine/option_program.hpp"
#include "engine/tc_programs.hpp"
#include "kernel/bpf.hpp"
#include "kernel/map.hpp"
#include "kernel/netns.hpp"
#include "kernel/xdp_hook.hpp"
#include "state/attachment.hpp"
#include "state/netns_identity.hpp"
#include "state/rule_counters.hpp"

namespace bpfport {

namespace {

Result<void> read_counters(const Instance& instance, Snapshot& snapshot) {
    auto counters = RuleCounters::open(instance.path());
    if (!counters) return std::unexpected(counters.error());
    for (auto& rule : snapshot.rules) {
        auto sum = counters->read(rule.rule.id);
        if (!sum) return std::unexpected(sum.error());
        rule.counters = *sum;
    }
    auto outcomes = instance.open_pin(pins::kOutcomes);
    if (!outcomes) return std::unexpected(outcomes.error());
    for (std::uint32_t i = 0; i < BP_OUTCOME_COUNT; i++) {
        auto sum = sum_cpus<std::uint64_t>(*outcomes, i);
        if (!sum) return std::unexpected(sum.error());
        snapshot.outcomes[i] = *sum;
    }
    return {};
}

Result<void> read_flows(const Instance& instance, Snapshot& snapshot) {
    static constexpr const char* kNames[] = {
#define BP_NAME(name, label) label,
        BP_FLOW_TABLES(BP_NAME)
#undef BP_NAME
    };
    static_assert(std::size(kNames) == BP_FLOW_TABLE_COUNT);
    auto outcomes = instance.open_pin(pins::kOutcomes);
    if (!outcomes) return std::unexpected(outcomes.error());
    for (std::uint32_t table = 0; table < BP_FLOW_TABLE_COUNT; table++) {
        auto map = instance.open_pin(kNames[table]);
        if (!map) return std::unexpected(map.error());
        auto use = map_use(*map, kNames[table]);
        if (!use) return std::unexpected(use.error());
        auto stored = sum_cpus<std::uint64_t>(*outcomes, BP_OUTCOME_STORED + table);
        if (!stored) return std::unexpected(stored.error());
        snapshot.flows.push_back({kNames[table], use->entries, use->capacity, *stored});
    }
    return {};
}

bool programs_are_measured() {
    int enabled = 0;
    std::ifstream("/proc/sys/kernel/bpf_stats_enabled") >> enabled;
    return enabled != 0;
}

// Whatever programs the instance has pinned, of any engine; those of one name are one.
void read_programs(const Instance& instance, Snapshot& snapshot) {
    bool measured = programs_are_measured();
    std::map<std::string, ProgramUse> by_name;
    for (const auto& pin : entries_of(instance.path())) {
        auto object = open_pin(pin);
        if (!object || !is_program(*object)) continue;
        auto info = program_info(*object);
        if (!info || (!measured && !info->run_count)) continue;
        ProgramUse& use = by_name.try_emplace(info->name, ProgramUse{info->name}).first->second;
        use.runs += info->run_count;
        use.nanoseconds += info->run_time_ns;
    }
    for (auto& [name, use] : by_name) snapshot.programs.push_back(std::move(use));
}

void read_hooks(const Store& store, Snapshot& snapshot) {
    for (const auto& attachment : attachments(store, snapshot.netns)) {
        std::uint32_t xdp = attachment.xdp_program();
        snapshot.hooks.push_back({attachment.interface(), attachment.name().ifindex,
                                  attachment.meta().hook == BP_HOOK_TCX ? "tcx" : "clsact",
                                  attachment.alive(),
                                  program_tag(attachment.program(Direction::kIngress)),
                                  program_tag(attachment.program(Direction::kEgress)),
                                  xdp_mode_name(xdp ? attachment.meta().xdp_mode : 0),
                                  xdp ? program_tag(xdp) : std::string()});
    }
}

EngineLook look_at(const Store& store, const Instance& instance, const HostFacts& facts,
                   Snapshot& snapshot) {
    EngineLook look{instance, facts, {}, {}, {}};
    for (const auto& hook : snapshot.hooks) {
        if (hook.alive) look.hooked.insert(hook.ifindex);
        if (*hook.xdp) look.by_xdp.insert(hook.ifindex);
    }
    for (const Engine* engine : engines())
        if (auto report = engine->report(store, instance)) {
            snapshot.engines.push_back({engine->info().name, *report});
            look.reports.emplace(engine->info().id, std::move(*report));
        }
    return look;
}

std::vector<const OptionProgram*> programs_gone(const Instance& instance) {
    std::vector<const OptionProgram*> gone;
    for (const OptionProgram* program : option_programs())
        if (!program->alive(instance)) gone.push_back(program);
    return gone;
}

std::vector<const OptionProgram*> of_rule(std::vector<const OptionProgram*> gone,
                                          const RuleSpec& rule) {
    std::erase_if(gone, [&](const OptionProgram* program) { return !rule.has(program->flag); });
    return gone;
}

Result<std::optional<Snapshot>> read_snapshot(const Store& store, std::uint64_t netns,
                                              const HostFacts& facts) {
    if (!store.has(instance_name(netns))) return std::nullopt;
    auto instance = Instance::open(store, netns, Store::Access::kRead);
    if (!instance) return std::unexpected(instance.error());
    if (!is_of_this_netns(*instance)) return std::nullopt;

    Snapshot snapshot;
    snapshot.netns = netns;
    if (has_programs(*instance, LinkLayer::kEthernet) || has_programs(*instance, LinkLayer::kNone))
        snapshot.path = instance->meta().direct_write ? "fast" : "helper";
    read_hooks(store, snapshot);
    const EngineLook look = look_at(store, *instance, facts, snapshot);
    auto open = open_connections(*instance);
    const auto gone = programs_gone(*instance);
    auto rules = instance->table().rules();
    const ListenerIndex listeners(facts.listeners);
    for (const auto& rule : rules) {
        RuleState state = engine_of(rule).status(rule, look);
        RuleView status{.rule = rule,
                        .scope = scope_name(rule.ifindex, facts.interfaces),
                        .in_force = state.in_force,
                        .gone = of_rule(gone, rule),
                        .xdp_gone = state.reduced,
                        .says_target = state.says_target,
                        .by_tc = state.by_tc,
                        .why = std::move(state.why)};
        if (open && rule.rule.protocol() == Protocol::kTcp) {
            auto count = open->by_rule.find(rule.id);
            status.open_connections = count == open->by_rule.end() ? 0 : count->second;
        }
        for (const Listener* listener : target_listeners(rule, listeners))
            status.listeners.push_back(*listener);
        snapshot.rules.push_back(std::move(status));
    }
    for (unsigned ifindex : wanted_hooks(rules, facts.interfaces).tc)
        if (!look.hooked.contains(ifindex))
            snapshot.unhooked.push_back(scope_name(ifindex, facts.interfaces));
    if (auto read = read_counters(*instance, snapshot); !read) return std::unexpected(read.error());
    if (auto read = read_flows(*instance, snapshot); !read) return std::unexpected(read.error());
    read_programs(*instance, snapshot);
    return snapshot;
}

} // namespace

Result<std::optional<Snapshot>> take_snapshot(const Store& store, const HostFacts& facts) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    return read_snapshot(store, *netns, facts);
}

const char* outcome_label(unsigned outcome) {
    static constexpr const char* kLabels[] = {
#define BP_LABEL(name, label, text) label,
        BP_OUTCOMES(BP_LABEL)
#undef BP_LABEL
    };
    return kLabels[outcome];
}

const char* outcome_text(unsigned outcome) {
    static constexpr const char* kTexts[] = {
#define BP_TEXT(name, label, text) text,
        BP_OUTCOMES(BP_TEXT)
#undef BP_TEXT
    };
    return kTexts[outcome];
}

} // namespace bpfport
