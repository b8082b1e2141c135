// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A fifth engine that does nothing but report, and the registry's rows with its own: bpfport_fifth is
// bpfport with this file in the place of user/engine/engines.cpp.
#include "engine/engines.hpp"
#include "engine/registry.hpp"

namespace bpfport {

namespace {

constexpr EngineInfo kInfo{
    .id = 5,
    .name = "report",
    .summary = "reports and does nothing",
    .effect = "says that it is there",
    .scope = EngineScope::kInterface,
    .options = kOptionNoLocal,
    .counts = kCountConnections,
    .changes_requests = false,
    .not_in_force = "not in force: it reports that it is not",
};

class Report final : public Engine {
  public:
    constexpr Report() : Engine(kInfo) {}

    [[nodiscard]] std::optional<WhyNot> why_not(const RuleSpec& rule,
                                                const HostFacts&) const override {
        if (rule.rule.protocol() == Protocol::kTcp) return {};
        return WhyNot{"engine report is for tcp", "--engine tc serves it"};
    }
    [[nodiscard]] std::optional<EngineReport> report(const Store&, const Instance&) const override {
        EngineReport report;
        report.alive = true;
        report.tags = {{"tag_none", "0"}};
        report.text = "nothing is done";
        return report;
    }
    [[nodiscard]] RuleState status(const RuleSpec&, const EngineLook&) const override {
        return {.why = "it was asked to report"};
    }
};

} // namespace

std::span<const Engine* const> engines() {
    static const Report report;
    static const Engine* const rows[] = {&sklookup_engine(), &tc_engine(), &xdp_engine(),
                                         &cgroup_engine(), &report};
    return rows;
}

} // namespace bpfport
