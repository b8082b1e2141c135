// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/status_cgroup.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "engine/engines.hpp"
#include "kernel/cgroup_lookup.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::ordered_json;

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text.empty() ? "-" : text;
}

std::string rule_notes(const CgroupStatus& cgroup, const CgroupRuleStatus& rule) {
    std::vector<std::string> notes;
    if (!cgroup.in_force) notes.emplace_back("NOT-IN-FORCE");
    if (!rule.here) notes.emplace_back("other-netns");
    if (rule.contested) notes.emplace_back("contested");
    if (rule.overflow) notes.emplace_back("NEIGHBOURS-NOT-SERVED:full");
    if (rule.rule.has(BP_POLICY_AUTO)) notes.emplace_back("auto");
    if (rule.rule.has(BP_POLICY_NO_LOCAL)) notes.emplace_back("no-local");
    if (cgroup.run) notes.emplace_back("run");
    return joined(notes);
}

std::string target_text(const CgroupRuleStatus& rule) {
    if (!rule.here) return "-";
    std::string text;
    for (const auto& listener : rule.listeners) {
        std::string name = listener.process.empty() ? "unknown process" : listener.process;
        if (text.find(name) == text.npos) text += (text.empty() ? "" : ", ") + name;
    }
    return text.empty() ? "no listener" : text;
}

std::string sent(std::uint64_t connects, std::uint64_t datagrams) {
    return datagrams ? fmt::format("{}+{} dgram", connects, datagrams)
                     : fmt::format("{}", connects);
}

void print_rules(std::ostream& out, const CgroupSnapshot& snapshot) {
    TextTable table({"CGROUP", "RULE", "BINDS", "OWN-CLIENTS", "NEIGHBOURS", "TARGET", "NOTES"});
    bool any = false;
    for (const auto& cgroup : snapshot.cgroups)
        for (const auto& rule : cgroup.rules) {
            any = true;
            table.add({cgroup.scope, rule.rule.rule.to_string(),
                       fmt::format("{}", rule.counters.binds),
                       sent(rule.counters.connects, rule.counters.datagrams),
                       sent(rule.neighbours.connects, rule.neighbours.datagrams), target_text(rule),
                       rule_notes(cgroup, rule)});
        }
    if (any) fmt::print(out, "{}", table.to_string());
}

void print_grants(std::ostream& out, const CgroupSnapshot& snapshot) {
    TextTable table({"CGROUP", "GRANT", "BINDS", "PROCESSES", "NOTES"});
    bool any = false;
    for (const auto& cgroup : snapshot.cgroups)
        for (const auto& grant : cgroup.grants) {
            any = true;
            std::vector<std::string> notes;
            if (!cgroup.in_force) notes.emplace_back("NOT-IN-FORCE");
            if (cgroup.run) notes.emplace_back("run");
            table.add({cgroup.scope, grant.grant.to_string(), fmt::format("{}", grant.binds),
                       fmt::format("{}", cgroup.processes), joined(notes)});
        }
    if (any) fmt::print(out, "{}", table.to_string());
}

void print_guards(std::ostream& out, const CgroupSnapshot& snapshot) {
    if (snapshot.guards.empty()) return;
    TextTable table({"GUARDED", "FOR", "DENIED", "NOTES"});
    for (const auto& [guard, here, in_force] : snapshot.guards) {
        std::vector<std::string> notes;
        if (!in_force) notes.emplace_back("NOT-IN-FORCE");
        if (!here) notes.emplace_back("other-netns");
        table.add({guard.port_text(), guard.owner_text(), fmt::format("{}", guard.entry.denied),
                   joined(notes)});
    }
    fmt::print(out, "{}", table.to_string());
}

Json to_json(const CgroupRuleStatus& rule) {
    Json json;
    json["rule"] = rule.rule.rule.to_string();
    json["protocol"] = to_string(rule.rule.rule.protocol());
    json["engine"] = cgroup_engine().info().name;
    json["here"] = rule.here;
    json["contested"] = rule.contested;
    json["neighbours_served"] = !rule.contested && !rule.overflow;
    json["auto"] = rule.rule.has(BP_POLICY_AUTO);
    json["local_clients"] = !rule.rule.has(BP_POLICY_NO_LOCAL);
    json["binds"] = rule.counters.binds;
    json["connects"] = rule.counters.connects;
    json["datagrams"] = rule.counters.datagrams;
    json["neighbour_connects"] = rule.neighbours.connects;
    json["neighbour_datagrams"] = rule.neighbours.datagrams;
    json["listeners"] = Json::array();
    for (const auto& listener : rule.listeners)
        json["listeners"].push_back({{"address", listener.socket.local.to_string()},
                                     {"port", listener.socket.local_port},
                                     {"process", listener.process}});
    return json;
}

Json to_json(const CgroupStatus& cgroup) {
    Json json;
    json["scope"] = cgroup.scope;
    json["path"] = cgroup.path;
    json["cgroup"] = cgroup.cgroup;
    json["in_force"] = cgroup.in_force;
    json["run"] = cgroup.run;
    json["processes"] = cgroup.processes;
    json["rules"] = Json::array();
    for (const auto& rule : cgroup.rules) json["rules"].push_back(to_json(rule));
    json["grants"] = Json::array();
    for (const auto& grant : cgroup.grants)
        json["grants"].push_back({{"ports", grant.grant.ports.to_string()},
                                  {"protocol", to_string(grant.grant.protocol)},
                                  {"binds", grant.binds}});
    return json;
}

} // namespace

void keep_only(CgroupSnapshot& snapshot, const std::vector<Scope>& scopes) {
    if (scopes.empty()) return;
    snapshot.guards.clear();
    std::erase_if(snapshot.cgroups, [&](const CgroupStatus& cgroup) {
        return std::ranges::none_of(scopes, [&](const Scope& scope) {
            if (!scope.is_cgroup()) return false;
            auto found = find_cgroup(scope);
            return found && found->id == cgroup.cgroup;
        });
    });
}

void print_cgroups(std::ostream& out, const CgroupSnapshot& snapshot) {
    print_rules(out, snapshot);
    print_grants(out, snapshot);
    print_guards(out, snapshot);
    if (!snapshot.neighbours_in_force)
        fmt::print(out, "warning: connects of other programs are not served; run the attach "
                        "command again\n");
    for (const auto& address : snapshot.unserved)
        fmt::print(out,
                   "warning: {} came later, connects to it are left alone; run the attach "
                   "command again\n",
                   address);
    for (const auto& address : snapshot.departed)
        fmt::print(
            out,
            "warning: {} has left this host, connects to it still go to the target port; run "
            "the attach command again\n",
            address);
}

void add_cgroups(Json& json, const CgroupSnapshot& snapshot) {
    json["cgroups"] = Json::array();
    for (const auto& cgroup : snapshot.cgroups) json["cgroups"].push_back(to_json(cgroup));
    json["guards"] = Json::array();
    for (const auto& [guard, here, in_force] : snapshot.guards)
        json["guards"].push_back({{"port", guard.port},
                                  {"protocol", to_string(guard.protocol)},
                                  {"owner", guard.owner_text()},
                                  {"denied", guard.entry.denied},
                                  {"here", here},
                                  {"in_force", in_force}});
    if (!snapshot.unserved.empty()) json["unserved_addresses"] = snapshot.unserved;
    if (!snapshot.departed.empty()) json["departed_addresses"] = snapshot.departed;
}

} // namespace bpfport
