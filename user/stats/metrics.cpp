// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/metrics.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include <prometheus/text_serializer.h>

#include "bpfport/meta.h"
#include "engine/engines.hpp"
#include "engine/registry.hpp"
#include "stats/counts.hpp"

namespace bpfport {

namespace {

using prometheus::MetricType;

enum Family : std::size_t {
    kUp,
    kBuildInfo,
    kPackets,
    kBytes,
    kConnections,
    kConnectionsOpen,
    kCalls,
    kTargetUp,
    kRuleInForce,
    kRules,
    kAttachmentUp,
    kOutcomes,
    kFlowEntries,
    kFlowCapacity,
    kFlowsStored,
    kProgramRuns,
    kProgramSeconds,
    kFamilies,
};

constexpr FamilyInfo kAll[] = {
    {"bpfport_up", MetricType::Gauge, "1 when the kernel's state could be read, else 0."},
    {"bpfport_build_info", MetricType::Gauge, "Always 1; the version is in the label."},
    {"bpfport_packets_total", MetricType::Counter,
     "Packets redirected: in to the target, out translated back. A GRO or TSO packet counts its "
     "segments."},
    {"bpfport_bytes_total", MetricType::Counter,
     "Bytes of those packets as on the wire, link layer included."},
    {"bpfport_connections_total", MetricType::Counter,
     "Connections redirected (TCP) or flows remembered (UDP). A retransmitted SYN is none."},
    {"bpfport_connections_open", MetricType::Gauge, "Redirected TCP connections that are open."},
    {"bpfport_calls_total", MetricType::Counter,
     "System calls of processes in a cgroup, by what became of them."},
    {"bpfport_target_up", MetricType::Gauge,
     "1 when a socket listens on the rule's target port, else 0."},
    {"bpfport_rule_in_force", MetricType::Gauge,
     "1 when the programs of the rule's interface are in place, else 0."},
    {"bpfport_rules", MetricType::Gauge, "Rules that are attached."},
    {"bpfport_attachment_up", MetricType::Gauge,
     "1 when the kernel runs our programs on the interface, 0 when it or they are gone."},
    {"bpfport_outcome_packets_total", MetricType::Counter,
     "Packets looked at closely and not redirected plainly, by what became of them."},
    {"bpfport_flow_entries", MetricType::Gauge,
     "Flows remembered now. The tables are LRU: full is normal after a while."},
    {"bpfport_flow_capacity", MetricType::Gauge, "Flows that the table can remember."},
    {"bpfport_flows_stored_total", MetricType::Counter,
     "Flows put into the table. Capacity divided by its rate is how long a flow is remembered."},
    {"bpfport_program_runs_total", MetricType::Counter,
     "Runs of a BPF program while kernel.bpf_stats_enabled was 1."},
    {"bpfport_program_run_seconds_total", MetricType::Counter, "Time spent in those runs."},
};
static_assert(std::size(kAll) == kFamilies);

double number(auto value) { return static_cast<double>(value); }

} // namespace

std::span<const FamilyInfo> Metrics::all() { return kAll; }

Metrics::Metrics(unsigned per_rule) : per_rule_(per_rule), series_(kFamilies) {
    sample(kBuildInfo, 1, {{"version", BPFPORT_VERSION}});
    set_up(true);
}

void Metrics::set_up(bool up) {
    series_[kUp].clear();
    sample(kUp, up ? 1 : 0, {});
}

void Metrics::sample(std::size_t family, double value, Labels labels, const Labels& more) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.label.insert(metric.label.end(), more.begin(), more.end());
    if (kAll[family].type == MetricType::Counter)
        metric.counter.value = value;
    else
        metric.gauge.value = value;
    series_[family].push_back(std::move(metric));
}

// What one rule has to tell, or several.
struct Metrics::RuleSeries {
    Protocol protocol;
    std::uint32_t engine;
    RuleCounts counts;
    std::vector<CallCount> calls;
    bool in_force;

    explicit RuleSeries(const RuleView& rule)
        : protocol(rule.rule.rule.protocol()), engine(rule.rule.engine), counts(counts_of(rule)),
          calls(calls_of(rule)), in_force(rule.in_force) {}

    // Counts are added up. A target is up, and the rules are in force, if all are.
    void merge(const RuleSeries& other) {
        for (auto count : {&RuleCounts::packets_in, &RuleCounts::bytes_in, &RuleCounts::packets_out,
                           &RuleCounts::bytes_out, &RuleCounts::connections, &RuleCounts::open})
            if (other.counts.*count)
                counts.*count = (counts.*count).value_or(0) + *(other.counts.*count);
        if (other.counts.target_up)
            counts.target_up = counts.target_up.value_or(true) && *other.counts.target_up;
        in_force = in_force && other.in_force;
        for (const auto& call : other.calls) {
            auto known = std::ranges::find_if(calls, [&](const CallCount& mine) {
                return std::string_view(mine.call) == call.call &&
                       std::string_view(mine.result) == call.result;
            });
            if (known == calls.end())
                calls.push_back(call);
            else
                known->count += call.count;
        }
    }
};

void Metrics::add_rule(const RuleSeries& series, const std::string& rule, const std::string& scope,
                       const Labels& place) {
    Labels labels = {{"rule", rule},
                     {"scope", scope},
                     {"protocol", std::string(to_string(series.protocol))},
                     {"engine", engine_name(series.engine)}};
    labels.insert(labels.end(), place.begin(), place.end());
    auto known = [&](Family family, auto value, const Labels& more = {}) {
        if (value) sample(family, number(*value), labels, more);
    };
    const RuleCounts& counts = series.counts;
    known(kPackets, counts.packets_in, {{"direction", "in"}});
    known(kPackets, counts.packets_out, {{"direction", "out"}});
    known(kBytes, counts.bytes_in, {{"direction", "in"}});
    known(kBytes, counts.bytes_out, {{"direction", "out"}});
    known(kConnections, counts.connections);
    known(kConnectionsOpen, counts.open);
    known(kTargetUp, counts.target_up);
    for (const auto& call : series.calls)
        sample(kCalls, number(call.count), labels, {{"call", call.call}, {"result", call.result}});
    sample(kRuleInForce, series.in_force ? 1 : 0, labels);
}

// By name: of an interface that was made anew, the old attachment and the new one may both be there.
void Metrics::add_hooks(const Snapshot& snapshot, const Labels& place) {
    std::map<std::string, bool> up;
    for (const auto& hook : snapshot.hooks) up[hook.interface] |= hook.alive;
    for (const auto& interface : snapshot.unhooked) up.try_emplace(interface, false);
    for (const auto& [interface, alive] : up)
        sample(kAttachmentUp, alive ? 1 : 0, {{"interface", interface}}, place);
}

void Metrics::add_shared(const Snapshot& snapshot, const Labels& place) {
    for (unsigned i = 0; i < BP_OUTCOME_COUNT; i++)
        sample(kOutcomes, number(snapshot.outcomes[i]), {{"outcome", outcome_label(i)}}, place);
    for (const auto& use : snapshot.flows) {
        Labels table = {{"table", use.name}};
        sample(kFlowEntries, use.used, table, place);
        sample(kFlowCapacity, use.capacity, table, place);
        sample(kFlowsStored, number(use.stored), table, place);
    }
    for (const auto& program : snapshot.programs) {
        Labels name = {{"program", program.name}};
        sample(kProgramRuns, number(program.runs), name, place);
        sample(kProgramSeconds, number(program.nanoseconds) / 1e9, name, place);
    }
}

void Metrics::add(const View& view, const Labels& place) {
    const auto rules = view.rules();
    std::map<std::pair<Protocol, std::uint32_t>, RuleSeries> others;
    for (std::size_t i = 0; i < rules.size(); i++) {
        RuleSeries series(rules[i]);
        if (i < per_rule_) {
            add_rule(series, rules[i].rule.rule.to_string(), rules[i].scope, place);
            continue;
        }
        auto [sum, fresh] = others.try_emplace({series.protocol, series.engine}, series);
        if (!fresh) sum->second.merge(series);
    }
    for (const auto& [_, series] : others) add_rule(series, "other", "other", place);
    sample(kRules, number(rules.size()), {}, place);
    if (!view.interfaces) return;
    add_hooks(*view.interfaces, place);
    add_shared(*view.interfaces, place);
}

void Metrics::add_grants(const CgroupSnapshot& snapshot) {
    for (const auto& cgroup : snapshot.cgroups)
        for (const auto& grant : cgroup.grants)
            sample(kCalls, number(grant.binds),
                   {{"rule", grant.grant.to_string()},
                    {"scope", cgroup.scope},
                    {"protocol", std::string(to_string(grant.grant.protocol))},
                    {"engine", cgroup_engine().info().name}},
                   {{"call", "bind"}, {"result", "granted"}});
}

std::vector<prometheus::MetricFamily> Metrics::families() const {
    std::vector<prometheus::MetricFamily> families;
    for (std::size_t i = 0; i < kFamilies; i++)
        if (!series_[i].empty())
            families.push_back({kAll[i].name, kAll[i].help, kAll[i].type, series_[i]});
    return families;
}

std::string metrics_text(const std::vector<prometheus::MetricFamily>& families) {
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, families);
    return text.str();
}

} // namespace bpfport
