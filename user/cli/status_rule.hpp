// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A rule in `bpfport status`, of an interface or of a cgroup: its notes, its target and its JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "engine/theft.hpp"
#include "stats/counts.hpp"

namespace bpfport {

std::string target_text(const RuleView& rule); // the programs that listen there

// "exclusive no-local"; "-": none. `others` are of rules of interfaces only.
std::string notes_text(const RuleView& rule, const OtherListeners& others = {});

nlohmann::ordered_json to_json(const RuleView& rule, const OtherListeners& others = {});

// What can be counted of it.
void add_counts(nlohmann::ordered_json& json, const RuleCounts& counts);
void add_calls(nlohmann::ordered_json& json, const std::vector<CallCount>& calls);

// json[name] = *value, if there is one: what an engine can't tell is absent.
void add_known(nlohmann::ordered_json& json, const char* name, const auto& value) {
    if (value) json[name] = *value;
}

} // namespace bpfport
