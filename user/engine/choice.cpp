// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/choice.hpp"

#include <fmt/format.h>

#include "bpfport/listener.h"

namespace bpfport {

namespace {

Result<ChosenEngine> choose_auto(const RuleSpec& rule, const HostFacts& facts) {
    std::string why;
    for (const Engine* engine : engines()) {
        if (engine->on_cgroups()) continue;
        const EngineInfo& info = engine->info();
        auto reason = engine->why_not_auto(rule, facts);
        if (reason.empty())
            if (auto refused = engine->why_not(rule, facts)) reason = refused->reason;
        if (reason.empty())
            return ChosenEngine{info.id, engine->auto_flags(),
                                why.empty() ? engine->why_auto() : why};
        why += fmt::format("{}not {}: {}", why.empty() ? "" : "; ", info.name, reason);
    }
    return failure(fmt::format("no engine can serve {}: {}", rule.rule.to_string(), why));
}

Result<ChosenEngine> choose(const Engine* wanted, const RuleSpec& rule, const HostFacts& facts) {
    if (!wanted) return choose_auto(rule, facts);
    if (auto refused = wanted->why_not(rule, facts))
        return failure(std::move(refused->reason), std::move(refused->hint));
    return ChosenEngine{wanted->info().id, 0, "asked for" + wanted->caveat(rule, facts)};
}

} // namespace

std::vector<std::string> engine_choices() {
    std::vector<std::string> words{"auto"};
    for (const Engine* engine : engines())
        if (!engine->on_cgroups()) words.emplace_back(engine->info().name);
    return words;
}

Result<ChosenEngine> choose_engine(const Engine* wanted, const RuleSpec& rule,
                                   const HostFacts& facts) {
    auto chosen = choose(wanted, rule, facts);
    if (!chosen || !rule.has(BP_RULE_SOCKNAME_LISTEN) ||
        engine_of(chosen->engine).takes(kOptionSockname))
        return chosen;
    return failure(fmt::format("--sockname listen: {} is served by engine {} ({}), whose "
                               "connections are on the target port",
                               rule.rule.to_string(), engine_name(chosen->engine), chosen->why),
                   "only engine sklookup can tell the listen port; leave the option out");
}

} // namespace bpfport
