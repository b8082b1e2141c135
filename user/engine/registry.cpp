// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/registry.hpp"

#include <algorithm>

#include "engine/engines.hpp"

namespace bpfport {

namespace {

constexpr EngineInfo kUnknown{0,
                              "unknown",
                              "",
                              "",
                              EngineScope::kInterface,
                              0,
                              0,
                              false,
                              "not in force: this version has no such engine"};

class Unknown final : public Engine {
  public:
    constexpr Unknown() : Engine(kUnknown) {}
    [[nodiscard]] RuleState status(const RuleSpec&, const EngineLook&) const override {
        return {.in_force = false, .why = "another version of bpfport put it there"};
    }
};

} // namespace

const Engine* find_engine(std::string_view name) {
    for (const Engine* engine : engines())
        if (engine->info().name == name && !engine->on_cgroups()) return engine;
    return nullptr;
}

const Engine& engine_of(std::uint32_t id) {
    static const Unknown unknown;
    for (const Engine* engine : engines())
        if (engine->info().id == id) return *engine;
    return unknown;
}

WantedHooks wanted_hooks(const std::vector<RuleSpec>& rules,
                         const std::vector<Interface>& interfaces) {
    WantedHooks wanted;
    for (const auto& rule : rules) engine_of(rule).wants(rule, interfaces, wanted);
    return wanted;
}

SlotBits slot_bits(const RuleSpec& rule) { return engine_of(rule).slot_bits(rule); }

std::vector<std::string> option_names(unsigned options) {
    std::vector<std::string> names;
    for (const auto& [option, name] : kOptionNames)
        if (options & option) names.emplace_back(name);
    return names;
}

std::vector<std::string> count_names(unsigned counts) {
    std::vector<std::string> names;
    if (counts & kCountPackets) names.insert(names.end(), {"packets", "bytes"});
    if (counts & kCountConnections) names.emplace_back("connections");
    if (counts & kCountCalls) names.emplace_back("calls");
    return names;
}

} // namespace bpfport
