// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport stats [--watch] [--json]
#include <ctime>
#include <ostream>
#include <thread>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/status_rule.hpp"
#include "cli/table.hpp"
#include "cli/watch.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::ordered_json;

struct StatsOptions {
    bool json = false;
    bool watch = false;
    double interval = 1;     // seconds
    std::uint64_t count = 0; // 0: without end
};

Json to_json(const RuleActivity& rule) {
    Json json{{"scope", rule.scope},
              {"rule", rule.rule},
              {"protocol", rule.protocol},
              {"engine", rule.engine},
              {"in_force", rule.in_force}};
    add_known(json, "target_up", rule.counts.target_up);
    add_counts(json, rule.counts);
    add_known(json, "connections_open", rule.counts.open);
    add_known(json, "packets_in_per_second", rule.rates.packets_in);
    add_known(json, "bytes_in_per_second", rule.rates.bytes_in);
    add_known(json, "packets_out_per_second", rule.rates.packets_out);
    add_known(json, "bytes_out_per_second", rule.rates.bytes_out);
    add_known(json, "connections_per_second", rule.rates.connections);
    add_calls(json, rule.calls);
    return json;
}

void print_json(std::ostream& out, const std::vector<RuleActivity>& rules, const Sample& sample) {
    Json json;
    json["time"] = std::time(nullptr);
    json["rules"] = Json::array();
    for (const auto& rule : rules) json["rules"].push_back(to_json(rule));
    if (const auto& snapshot = sample.view.interfaces) {
        json["netns"] = snapshot->netns;
        for (unsigned i = 0; i < BP_OUTCOME_COUNT; i++)
            json["outcomes"][outcome_label(i)] = snapshot->outcomes[i];
        for (const auto& use : snapshot->flows)
            json["flows"][use.name] = {
                {"used", use.used}, {"capacity", use.capacity}, {"stored", use.stored}};
    }
    fmt::print(out, "{}\n", json_text(json));
}

template <typename T>
std::string text(const std::optional<T>& value, std::string (*form)(std::uint64_t)) {
    return value ? form(static_cast<std::uint64_t>(*value)) : "-";
}

std::string plain(std::uint64_t value) { return std::to_string(value); }

std::string calls_text(const RuleActivity& rule) {
    std::string words;
    for (const auto& call : rule.calls)
        words += fmt::format("{}{} {} {}", words.empty() ? "" : ", ", call.count, call.call,
                             call.result);
    return words.empty() ? "-" : words;
}

void print_table(std::ostream& out, const std::vector<RuleActivity>& rules) {
    TextTable table({"SCOPE", "RULE", "ENGINE", "PKT-IN", "PKT-IN/s", "BYTES-IN", "PKT-OUT",
                     "PKT-OUT/s", "BYTES-OUT", "CONNS", "CONNS/s", "OPEN", "CALLS"});
    for (const auto& rule : rules)
        table.add({rule.scope, rule.rule, rule.engine, text(rule.counts.packets_in, plain),
                   text(rule.rates.packets_in, plain), text(rule.counts.bytes_in, human_bytes),
                   text(rule.counts.packets_out, plain), text(rule.rates.packets_out, plain),
                   text(rule.counts.bytes_out, human_bytes), text(rule.counts.connections, plain),
                   text(rule.rates.connections, plain), text(rule.counts.open, plain),
                   calls_text(rule)});
    fmt::print(out, "{}", table.to_string());
}

void print(const Session& session, const StatsOptions& options,
           const std::vector<RuleActivity>& rules, const Sample& sample) {
    if (options.json)
        print_json(session.out, rules, sample);
    else if (!rules.empty())
        print_table(session.out, rules);
    else
        fmt::print(session.out, "nothing is attached in this network namespace\n");
    session.out.flush();
}

Result<void> stats(const Session& session, const StatsOptions& options) {
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto before = take_sample(session);
    if (!before) return std::unexpected(before.error());
    if (!options.watch) {
        print(session, options, activity(Sample{}, *before), *before);
        return {};
    }
    auto next = before->at;
    for (std::uint64_t i = 0; session.out && (!options.count || i < options.count); i++) {
        next += std::chrono::milliseconds(static_cast<long>(options.interval * 1000));
        std::this_thread::sleep_until(next);
        auto now = take_sample(session);
        if (!now) return std::unexpected(now.error());
        print(session, options, activity(*before, *now), *now);
        before = std::move(now);
    }
    return {};
}

} // namespace

Command add_stats(CommandLine& app) {
    auto options = std::make_shared<StatsOptions>();
    auto* command = app.add_subcommand("stats", "Counters of each rule, and rates with --watch");
    command->add_flag("--json", options->json, "Print JSON, one object a line");
    auto* watch = command->add_flag("--watch", options->watch, "Repeat, with rates");
    command->add_option("--interval", options->interval, "With --watch: the interval")
        ->type_name("SECONDS")
        ->between(0.1, 86400.0)
        ->needs(watch)
        ->capture_default_str();
    command->add_option("--count", options->count, "With --watch: end after so many")
        ->type_name("N")
        ->needs(watch);
    return {command, [options](const Session& session) { return stats(session, *options); }};
}

} // namespace bpfport
