// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport ss: listeners and redirected ports in one list.
#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/status_rule.hpp"
#include "cli/table.hpp"
#include "engine/registry.hpp"
#include "kernel/process.hpp"
#include "stats/port_list.hpp"
#include "stats/view.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::ordered_json;

struct SsOptions {
    bool redirected = false; // only what a rule has to do with
    bool json = false;
};

std::string served_by(const PortEntry& entry) {
    if (entry.rule) {
        auto target = entry.rule->rule.rule.target().to_string();
        std::string names;
        for (const auto& listener : entry.rule->listeners)
            if (!listener.process.empty() && names.find(listener.process) == std::string::npos)
                names += (names.empty() ? " " : ", ") + listener.process;
        return fmt::format("-> {}{}", target, names);
    }
    std::string who =
        entry.listener->process.empty()
            ? fmt::format("unknown process (user {})", user_name(entry.listener->socket.uid))
            : entry.listener->process;
    return entry.sockets > 1 ? fmt::format("{}, {} sockets", who, entry.sockets) : who;
}

// What the engine can't count is a dash.
std::string text(const char* unit, std::optional<std::uint64_t> count) {
    return count ? fmt::format("{}{}", *count, unit) : "-";
}

void print_table(std::ostream& out, const std::vector<PortEntry>& list) {
    TextTable table({"PROTO", "PORT", "ADDRESS", "SCOPE", "SERVED BY", "ENGINE", "IN", "OUT",
                     "CONNECTIONS", "NOTES"});
    for (const auto& entry : list) {
        std::vector<std::string> row{std::string(to_string(entry.protocol)),
                                     entry.ports.to_string(), entry.address, entry.scope,
                                     served_by(entry)};
        if (const RuleView* rule = entry.rule) {
            row.emplace_back(engine_name(rule->rule.engine));
            auto counts = counts_of(*rule);
            row.push_back(text(" pkt", counts.packets_in));
            row.push_back(text(" pkt", counts.packets_out));
            row.push_back(text("", counts.connections));
        } else {
            row.insert(row.end(), 4, "-");
        }
        row.push_back(entry.notes.empty() ? "-" : fmt::format("{}", fmt::join(entry.notes, "; ")));
        table.add(std::move(row));
    }
    fmt::print(out, "{}", table.to_string());
}

Json to_json(const PortEntry& entry) {
    Json json{{"protocol", to_string(entry.protocol)},
              {"first_port", entry.ports.first},
              {"last_port", entry.ports.last},
              {"address", entry.address},
              {"scope", entry.scope}};
    if (const RuleView* rule = entry.rule) {
        json["kind"] = "redirect";
        json["rule"] = rule->rule.rule.to_string();
        json["engine"] = engine_name(rule->rule.engine);
        json["in_force"] = rule->in_force;
        json["target_first"] = rule->rule.rule.target().first;
        json["target_last"] = rule->rule.rule.target().last;
        json["served_by"] = Json::array();
        for (const auto& listener : rule->listeners) json["served_by"].push_back(listener.process);
        add_counts(json, counts_of(*rule));
        add_calls(json, calls_of(*rule));
    } else {
        json["kind"] = "listener";
        json["process"] = entry.listener->process;
        json["user"] = user_name(entry.listener->socket.uid);
        json["sockets"] = entry.sockets;
    }
    json["notes"] = entry.notes;
    return json;
}

Result<void> ss(const Session& session, const SsOptions& options) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto facts = host_facts();
    if (!facts) return std::unexpected(facts.error());
    auto view = take_view(*store, std::move(*facts));
    if (!view) return std::unexpected(view.error());
    const auto rules = view->rules(); // the list points into it
    auto list = port_list(rules, view->host.listeners, view->host.interfaces);
    if (options.redirected)
        std::erase_if(list, [](const auto& entry) { return !entry.rule && entry.notes.empty(); });
    if (options.json) {
        Json json = Json::array();
        for (const auto& entry : list) json.push_back(to_json(entry));
        fmt::print(session.out, "{}\n", json_text(json, 2));
    } else if (list.empty()) {
        fmt::print(session.out, "no program listens and nothing is redirected here\n");
    } else {
        print_table(session.out, list);
    }
    return {};
}

} // namespace

Command add_ss(CommandLine& app) {
    auto options = std::make_shared<SsOptions>();
    auto* command = app.add_subcommand("ss", "Listeners and redirected ports in one list");
    command->footer("Shows what ss and netstat can't: which ports are redirected where, and which\n"
                    "listener a rule hides. Of this network namespace, or of --netns.");
    command->add_flag("--redirected", options->redirected, "Only ports of rules");
    command->add_flag("--json", options->json, "Print JSON");
    return {command, [options](const Session& session) { return ss(session, *options); }};
}

} // namespace bpfport
