// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport metrics [--output FILE] [--all-netns]
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <ostream>

#include <fmt/ostream.h>

#include "base/file.hpp"
#include "cli/command.hpp"
#include "kernel/netns.hpp"
#include "stats/metrics.hpp"

namespace bpfport {

namespace {

struct MetricsOptions {
    std::string output;
    bool all_netns = false;
    unsigned per_rule = Metrics::kPerRule;
};

// A reader of the file sees the old text or the new one, whole. The name it is written under does
// not end in .prom, so that node_exporter does not read it early, and can't have been
// made before by another user who may write to the directory.
Result<void> replace_file(const std::filesystem::path& path, std::string_view text) {
    std::string aside = path.parent_path() / fmt::format(".{}.XXXXXX", path.filename().native());
    Fd file(::mkostemp(aside.data(), O_CLOEXEC));
    if (!file) return system_error(fmt::format("create {}", aside));
    auto written = write_all(file, text);
    if (written && ::fchmod(file.get(), 0644) != 0) written = system_error("make it readable");
    if (written && ::rename(aside.c_str(), path.c_str()) != 0) written = system_error("rename");
    if (written) return {};
    ::unlink(aside.c_str());
    return context(path.native(), written.error());
}

// All others that there are, since a cgroup's rule may hold in any; of one without rules come no
// series.
Result<void> add_other_netns(Metrics& metrics, const Store& store, std::uint64_t own) {
    for (auto inode : all_netns()) {
        auto netns = find_netns(inode);
        if (inode == own || !netns) continue;
        auto inside = ScopedNetns::enter(*netns);
        if (!inside) return std::unexpected(inside.error());
        auto label = std::to_string(inode);
        auto view = take_view(store, Owners::kSkip);
        if (!view) return context("network namespace " + label, view.error());
        metrics.add(*view, {{"netns", label}});
    }
    return {};
}

Result<void> print_metrics(const Session& session, const MetricsOptions& options) {
    if (options.all_netns && !session.netns.empty())
        return usage_error("--all-netns goes without --netns");
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto own = current_netns_inode();
    if (!own) return std::unexpected(own.error());
    auto view = take_view(*store, Owners::kSkip);
    if (!view) return std::unexpected(view.error());
    Metrics metrics(options.per_rule);
    metrics.add(*view, options.all_netns ? Metrics::Labels{{"netns", std::to_string(*own)}}
                                         : Metrics::Labels{});
    if (options.all_netns)
        if (auto added = add_other_netns(metrics, *store, *own); !added) return added;
    metrics.add_grants(view->cgroups);
    std::string text = metrics_text(metrics.families());
    if (!options.output.empty()) return replace_file(options.output, text);
    fmt::print(session.out, "{}", text);
    return {};
}

} // namespace

void add_per_rule_limit(CommandLine& command, unsigned& limit) {
    command
        .add_option("--per-rule-limit", limit,
                    "Rules that have series of their own; those beyond are summed as \"other\"")
        ->type_name("N")
        ->between(0U, Metrics::kMostPerRule)
        ->capture_default_str();
}

Command add_metrics(CommandLine& app) {
    auto options = std::make_shared<MetricsOptions>();
    auto* command = app.add_subcommand("metrics", "Print metrics as Prometheus reads them");
    command->footer("For node_exporter's textfile collector:\n  bpfport metrics --output "
                    "/var/lib/prometheus/node-exporter/bpfport.prom");
    command->add_option("--output", options->output, "Replace this file with them, at once")
        ->type_name("FILE")
        ->suggest(Values::kFiles);
    command->add_flag("--all-netns", options->all_netns,
                      "Of every network namespace, told apart by a label netns (its inode)");
    add_per_rule_limit(*command, options->per_rule);
    return {command,
            [options](const Session& session) { return print_metrics(session, *options); }};
}

} // namespace bpfport
