// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/status_cgroup.hpp"

#include <algorithm>
#include <ostream>
#include <tuple>

#include <fmt/ostream.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/status_rule.hpp"
#include "cli/table.hpp"
#include "kernel/cgroup_lookup.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::ordered_json;

std::string joined(const std::vector<std::string>& words) {
    return words.empty() ? "-" : fmt::format("{}", fmt::join(words, " "));
}

std::string sent(std::uint64_t connects, std::uint64_t datagrams) {
    return datagrams ? fmt::format("{}+{} dgram", connects, datagrams)
                     : fmt::format("{}", connects);
}

// Nothing where there is no row.
void print_rows(std::ostream& out, const TextTable& table) {
    if (table.rows()) fmt::print(out, "{}", table.to_string());
}

void print_rules(std::ostream& out, const CgroupSnapshot& snapshot) {
    TextTable table({"CGROUP", "RULE", "BINDS", "OWN-CLIENTS", "NEIGHBOURS", "TARGET", "NOTES"});
    for (const auto& cgroup : snapshot.cgroups)
        for (const auto& rule : cgroup.rules) {
            const auto& [own, others] = std::tie(rule.cgroup->counters, rule.cgroup->neighbours);
            table.add({rule.scope, rule.rule.rule.to_string(), fmt::format("{}", own.binds),
                       sent(own.connects, own.datagrams), sent(others.connects, others.datagrams),
                       target_text(rule), notes_text(rule)});
        }
    print_rows(out, table);
}

void print_grants(std::ostream& out, const CgroupSnapshot& snapshot) {
    TextTable table({"CGROUP", "GRANT", "BINDS", "PROCESSES", "NOTES"});
    for (const auto& cgroup : snapshot.cgroups)
        for (const auto& grant : cgroup.grants) {
            std::vector<std::string> notes;
            if (!cgroup.in_force) notes.emplace_back("NOT-IN-FORCE");
            if (cgroup.run) notes.emplace_back("run");
            table.add({cgroup.scope, grant.grant.to_string(), fmt::format("{}", grant.binds),
                       fmt::format("{}", cgroup.processes), joined(notes)});
        }
    print_rows(out, table);
}

void print_guards(std::ostream& out, const CgroupSnapshot& snapshot) {
    TextTable table({"GUARDED", "FOR", "DENIED", "NOTES"});
    for (const auto& [guard, here, in_force] : snapshot.guards) {
        std::vector<std::string> notes;
        if (!in_force) notes.emplace_back("NOT-IN-FORCE");
        if (!here) notes.emplace_back("other-netns");
        table.add({guard.port_text(), guard.owner_text(), fmt::format("{}", guard.entry.denied),
                   joined(notes)});
    }
    print_rows(out, table);
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
