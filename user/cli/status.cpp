// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport status [SCOPE...]
#include <algorithm>
#include <ostream>
#include <string_view>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "bpfport/meta.h"
#include "cli/command.hpp"
#include "cli/status_cgroup.hpp"
#include "cli/status_rule.hpp"
#include "cli/table.hpp"
#include "engine/nat_claims.hpp"
#include "engine/sockname.hpp"
#include "engine/theft.hpp"
#include "firewall/read_firewall.hpp"
#include "state/hook_loss.hpp"
#include "stats/view.hpp"

namespace bpfport {

namespace {

struct StatusOptions {
    std::vector<std::string> words;
    bool json = false;
};

using Json = nlohmann::ordered_json;

// Asked of the packet filters' own programs.
Result<void> add_nat(const Snapshot& snapshot, const HostFacts& host,
                     std::vector<OtherListeners>& others) {
    NetworkView network{host.interfaces, {}, {}, read_firewall().firewall, {}};
    if (network.firewall.empty()) return {};
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    network.addresses = std::move(*addresses);
    for (std::size_t i = 0; i < others.size(); i++)
        for (const auto& claim : nat_claims(as_served(snapshot.rules[i]), network))
            if (claim.nat.certain) others[i].nat.push_back(claim.to_string());
    return {};
}

// Of each rule of the snapshot, in order.
Result<std::vector<OtherListeners>> other_listeners(const Snapshot& snapshot,
                                                    const HostFacts& host) {
    std::vector<OtherListeners> others;
    const ListenerIndex listeners(host.listeners);
    for (const auto& rule : snapshot.rules)
        others.push_back(listeners_beside(rule.rule, listeners));
    if (auto added = add_nat(snapshot, host, others); !added) return std::unexpected(added.error());
    return others;
}

std::string connections(const RuleView& rule) {
    if (!rule.open_connections) return fmt::format("{}", rule.counters.connections);
    return fmt::format("{} ({} open)", rule.counters.connections, *rule.open_connections);
}

std::string traffic(std::optional<std::uint64_t> packets, std::optional<std::uint64_t> bytes) {
    return packets && bytes ? fmt::format("{} pkt {}", *packets, human_bytes(*bytes)) : "-";
}

std::string loss_of(const HookStatus& hook) {
    return hook_loss({!hook.tag_in.empty(), !hook.tag_out.empty()});
}

void print_engines(std::ostream& out, const Snapshot& snapshot) {
    for (const auto& [name, report] : snapshot.engines)
        fmt::print(out, "{}: {}\n", name, report.text);
    for (const auto& rule : snapshot.rules)
        if (rule.by_tc && !rule.rule.has(BP_RULE_FALLBACK))
            fmt::print(out, "warning: {}: {}\n", rule.rule.rule.to_string(), rule.why);
    for (const auto& rule : snapshot.rules)
        if (!rule.says_target && wants_sockname(rule.rule))
            fmt::print(out,
                       "warning: {}: getsockname() of its connections says the listen port; run "
                       "the attach command again, or use --engine tc\n",
                       rule.rule.rule.to_string());
}

const char* path_text(std::string_view path) {
    if (path == "fast") return "fast path";
    if (path == "helper") return "helper path (no BTF or kernel before 6.2)";
    return "not loaded, no rule needs it";
}

void print_table(std::ostream& out, const Snapshot& snapshot,
                 const std::vector<OtherListeners>& others) {
    TextTable table({"SCOPE", "RULE", "ENGINE", "IN", "OUT", "CONNECTIONS", "TARGET", "NOTES"});
    for (std::size_t i = 0; i < snapshot.rules.size(); i++) {
        const RuleView& rule = snapshot.rules[i];
        RuleCounts counts = counts_of(rule);
        table.add({rule.scope, rule.rule.rule.to_string(), engine_name(rule.rule.engine),
                   traffic(counts.packets_in, counts.bytes_in),
                   traffic(counts.packets_out, counts.bytes_out), connections(rule),
                   target_text(rule), notes_text(rule, others[i])});
    }
    fmt::print(out, "{}", table.to_string());

    fmt::print(out, "\ntc: {}; hooks:{}", path_text(snapshot.path),
               snapshot.hooks.empty() ? " none" : "");
    for (const auto& hook : snapshot.hooks)
        fmt::print(out, " {} ({}{}{}{})", hook.interface, hook.kind, hook.alive ? "" : ", BROKEN",
                   *hook.xdp ? ", xdp " : "", hook.xdp);
    fmt::print(out, "\n");
    for (const auto& hook : snapshot.hooks)
        if (!hook.alive)
            fmt::print(out, "warning: {}: {}; run the attach command again\n", hook.interface,
                       loss_of(hook));
    print_engines(out, snapshot);
    for (std::size_t i = 0; i < snapshot.rules.size(); i++)
        for (const auto& listener : others[i].hidden)
            fmt::print(out, "warning: {}: {}\n", snapshot.rules[i].rule.rule.to_string(),
                       hidden_text(snapshot.rules[i].rule, listener));
    for (std::size_t i = 0; i < snapshot.rules.size(); i++)
        for (const auto& claim : others[i].nat)
            fmt::print(out, "warning: {}: {}\n", snapshot.rules[i].rule.rule.to_string(), claim);
    for (const auto& name : snapshot.unhooked)
        if (std::ranges::find(snapshot.hooks, name, &HookStatus::interface) == snapshot.hooks.end())
            fmt::print(out, "warning: {} is not hooked; run the attach command again\n", name);
    for (unsigned i = 0; i < BP_OUTCOME_COUNT; i++)
        if (snapshot.outcomes[i])
            fmt::print(out, "{:>12}  {}\n", snapshot.outcomes[i], outcome_text(i));
}

Json to_json(const EngineReport& report) {
    Json json{{"alive", report.alive}};
    for (const auto& [name, tag] : report.tags) json[name] = tag;
    if (report.listeners) json["listeners"] = *report.listeners;
    if (report.sockname) json["sockname_hooks"] = *report.sockname;
    return json;
}

void print_json(std::ostream& out, const std::optional<Snapshot>& snapshot,
                const std::vector<OtherListeners>& others, const CgroupSnapshot& cgroups) {
    Json json;
    json["rules"] = Json::array();
    if (snapshot) {
        json["netns"] = snapshot->netns;
        json["path"] = snapshot->path;
        for (std::size_t i = 0; i < snapshot->rules.size(); i++)
            json["rules"].push_back(to_json(snapshot->rules[i], others[i]));
        for (const auto& hook : snapshot->hooks)
            json["hooks"].push_back({{"interface", hook.interface},
                                     {"ifindex", hook.ifindex},
                                     {"hook", hook.kind},
                                     {"alive", hook.alive},
                                     {"lost", loss_of(hook)},
                                     {"tag_in", hook.tag_in},
                                     {"tag_out", hook.tag_out},
                                     {"xdp", hook.xdp},
                                     {"tag_xdp", hook.tag_xdp}});
        for (const auto& [name, report] : snapshot->engines) json[name] = to_json(report);
        json["unhooked"] = snapshot->unhooked;
        for (unsigned i = 0; i < BP_OUTCOME_COUNT; i++)
            json["outcomes"][outcome_label(i)] = snapshot->outcomes[i];
        for (const auto& use : snapshot->flows)
            json["flows"][use.name] = {{"used", use.used}, {"capacity", use.capacity}};
    }
    add_cgroups(json, cgroups);
    fmt::print(out, "{}\n", json_text(json, 2));
}

Result<void> status(const Session& session, const StatusOptions& options) {
    auto only = split_words(options.words);
    if (!only) return std::unexpected(only.error());
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto view = take_view(*store, Owners::kName);
    if (!view) return std::unexpected(view.error());
    auto& snapshot = view->interfaces;
    if (snapshot && !only->scopes.empty())
        std::erase_if(snapshot->rules, [&](const RuleView& rule) {
            return std::ranges::none_of(only->scopes, [&](const Scope& scope) {
                return scope.kind() == Scope::Kind::kAny ? rule.scope == "any"
                                                         : scope.matches(rule.scope);
            });
        });
    auto others = snapshot ? other_listeners(*snapshot, view->host) : std::vector<OtherListeners>();
    if (!others) return std::unexpected(others.error());
    keep_only(view->cgroups, only->scopes);
    if (options.json) {
        print_json(session.out, snapshot, *others, view->cgroups);
        return {};
    }
    bool only_cgroups = std::ranges::any_of(only->scopes, &Scope::is_cgroup);
    if (snapshot && !only_cgroups) print_table(session.out, *snapshot, *others);
    print_cgroups(session.out, view->cgroups);
    if (view->empty()) fmt::print(session.out, "nothing is attached in this network namespace\n");
    return {};
}

} // namespace

Command add_status(CommandLine& app) {
    auto options = std::make_shared<StatusOptions>();
    auto* command =
        app.add_subcommand("status", "Show rules, grants and counters as the kernel has them");
    command->add_option("SCOPE", options->words, "Only these scopes")->suggest(Values::kScopes);
    command->add_flag("--json", options->json, "Print JSON");
    return {command, [options](const Session& session) { return status(session, *options); }};
}

} // namespace bpfport
