// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/status_rule.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/ranges.h>

#include "bpfport/meta.h"
#include "config/entry_request.hpp"
#include "engine/sklookup_engine.hpp"
#include "engine/sockname.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::ordered_json;

// "127.0.0.53,127.0.0.54"
std::string address_list(const std::vector<Listener>& listeners) {
    std::set<std::string> found;
    for (const auto& listener : listeners) found.insert(listener.socket.local.to_string());
    return fmt::format("{}", fmt::join(found, ","));
}

Json to_json(const std::vector<Listener>& listeners) {
    Json json = Json::array();
    for (const auto& listener : listeners)
        json.push_back({{"address", listener.socket.local.to_string()},
                        {"port", listener.socket.local_port},
                        {"process", listener.process}});
    return json;
}

void add_cgroup(Json& json, const CgroupUse& use, const RuleView& rule) {
    json["here"] = use.here;
    json["contested"] = use.contested;
    json["neighbours_served"] = !use.contested && !use.overflow;
    json["auto"] = use.automatic;
    json["local_clients"] = !rule.rule.has(BP_RULE_NO_LOCAL);
    json["binds"] = use.counters.binds;
    json["connects"] = use.counters.connects;
    json["datagrams"] = use.counters.datagrams;
    json["neighbour_connects"] = use.neighbours.connects;
    json["neighbour_datagrams"] = use.neighbours.datagrams;
}

void add_interface(Json& json, const RuleView& rule, const OtherListeners& others) {
    if (!rule.why.empty()) json["why"] = rule.why;
    if (rule.rule.rule.protocol() == Protocol::kTcp)
        json["sockname"] = rule.says_target ? "target" : "listen";
    json["original_dst"] = rule.rule.has(BP_RULE_ORIGINAL_DST) &&
                           std::ranges::find(rule.gone, &original_dst_program()) == rule.gone.end();
    if (engine_of(rule.rule).takes(kOptionSockname)) json["served_by_tc"] = rule.by_tc;
    const RuleCounts counts = counts_of(rule);
    add_counts(json, counts);
    add_known(json, "open_connections", counts.open);
    json["keep_their_address"] = to_json(others.keepers);
    json["hidden"] = to_json(others.hidden);
    json["nat"] = others.nat;
}

// "exclusive", or "EXCLUSIVE-GONE" when its program does not run.
std::string option_word(const OptionProgram& program, const RuleView& rule) {
    std::string word(std::string_view(program.option).substr(2));
    if (std::ranges::find(rule.gone, &program) == rule.gone.end()) return word;
    for (char& c : word)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return word + "-GONE";
}

} // namespace

std::string target_text(const RuleView& rule) {
    std::string text;
    for (const auto& listener : rule.listeners) {
        std::string name = listener.process.empty() ? "unknown process" : listener.process;
        if (text.find(name) == std::string::npos) text += (text.empty() ? "" : ", ") + name;
    }
    if (!text.empty()) return text;
    bool elsewhere = rule.rule.has(BP_RULE_FORWARDED) || (rule.cgroup && !rule.cgroup->here);
    return elsewhere ? "-" : "no listener";
}

std::string notes_text(const RuleView& rule, const OtherListeners& others) {
    std::vector<std::string> words;
    auto note = [&](bool when, std::string word) {
        if (when) words.push_back(std::move(word));
    };
    note(!rule.in_force, "NOT-IN-FORCE");
    if (const auto& use = rule.cgroup) {
        note(!use->here, "other-netns");
        note(use->contested, "contested");
        note(use->overflow, "NEIGHBOURS-NOT-SERVED:full");
        note(use->automatic, "auto");
    }
    note(rule.xdp_gone, "XDP-GONE(tc-serves)");
    note(rule.rule.has(BP_RULE_DRAINING), "draining");
    note(rule.by_tc, fmt::format("{}:{}", rule.rule.has(BP_RULE_FALLBACK) ? "by-tc" : "NOT-SERVED",
                                 why_unsteerable(rule.listeners).word));
    note(rule.rule.has(BP_RULE_TC_FLOWS) && !rule.by_tc, "tc-connections");
    note(!rule.says_target, wants_sockname(rule.rule) ? "SOCKNAME-LISTEN" : "sockname:listen");
    note(rule.rule.old_target_first != 0, fmt::format("old-target:{}", rule.rule.old_target_first));
    note(!others.keepers.empty(), fmt::format("kept:{}", address_list(others.keepers)));
    for (const OptionProgram* program : option_programs())
        note(rule.rule.has(program->flag), option_word(*program, rule));
    note(rule.rule.has(BP_RULE_NO_LOCAL), "no-local");
    note(rule.rule.has(BP_RULE_FORWARDED), "forwarded");
    note(rule.rule.has(BP_RULE_VLAN), "vlan");
    note(rule.rule.on_absent != BP_ABSENT_RESET,
         fmt::format("on-absent:{}", on_absent_word(rule.rule.on_absent)));
    note(rule.cgroup && rule.cgroup->run, "run");
    return words.empty() ? "-" : fmt::format("{}", fmt::join(words, " "));
}

Json to_json(const std::vector<Prefix>& prefixes) {
    auto json = Json::array();
    for (const auto& prefix : prefixes) json.push_back(prefix.to_string());
    return json;
}

Json to_json(const RuleView& rule, const OtherListeners& others) {
    Json json{{"scope", rule.scope},
              {"rule", rule.rule.rule.to_string()},
              {"protocol", to_string(rule.rule.rule.protocol())},
              {"local", nullptr},
              {"one_target", rule.rule.rule.one_target()},
              {"engine", engine_name(rule.rule.engine)},
              {"in_force", rule.in_force}};
    if (const auto& local = rule.rule.rule.local()) json["local"] = local->to_string();
    json["from"] = to_json(rule.rule.rule.clients().from());
    json["not_from"] = to_json(rule.rule.rule.clients().not_from());
    json["weight"] = nullptr;
    if (const auto weight = rule.rule.rule.weight()) json["weight"] = *weight;
    if (rule.cgroup)
        add_cgroup(json, *rule.cgroup, rule);
    else
        add_interface(json, rule, others);
    json["listeners"] = to_json(rule.listeners);
    json["notes"] = notes_text(rule, others);
    return json;
}

void add_counts(Json& json, const RuleCounts& counts) {
    add_known(json, "packets_in", counts.packets_in);
    add_known(json, "bytes_in", counts.bytes_in);
    add_known(json, "packets_out", counts.packets_out);
    add_known(json, "bytes_out", counts.bytes_out);
    add_known(json, "connections", counts.connections);
}

void add_calls(Json& json, const std::vector<CallCount>& calls) {
    for (const auto& call : calls)
        json["calls"].push_back(
            {{"call", call.call}, {"result", call.result}, {"count", call.count}});
}

} // namespace bpfport
