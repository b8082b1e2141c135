// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport detach SCOPE... [RULE...], detach --all
#include <algorithm>
#include <ostream>
#include <set>
#include <thread>

#include <fmt/ostream.h>

#include "cli/cgroup_session.hpp"
#include "cli/client_options.hpp"
#include "cli/command.hpp"
#include "cli/saving.hpp"
#include "engine/drain.hpp"
#include "engine/plan.hpp"
#include "state/attachment.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace {

struct DetachOptions {
    std::vector<std::string> words;
    DetachRequest request;
    ClientOptions clients;
    bool on_cgroups = false;
    bool all = false;     // of every network namespace
    bool drain = false;   // new connections are left alone; detach when the last has ended
    unsigned timeout = 0; // seconds; 0: none
    Saving saving;
};

std::set<std::uint16_t> ids_of(const std::vector<RuleSpec>& rules) {
    std::set<std::uint16_t> ids;
    for (const auto& rule : rules) ids.insert(rule.id);
    return ids;
}

unsigned sum(const std::map<std::uint16_t, unsigned>& by_rule, const std::set<std::uint16_t>& ids) {
    unsigned count = 0;
    for (const auto& [id, connections] : by_rule)
        if (ids.contains(id)) count += connections;
    return count;
}

Result<void> detach_now(const Session& session, Change& change, NetnsRules& netns,
                        const std::vector<RuleSpec>& selected, Saving& saving) {
    auto ids = ids_of(selected);
    unsigned open = 0, steered = 0;
    if (netns.instance())
        if (auto connections = open_connections(*netns.instance())) {
            steered = sum(connections->steered, ids);
            open = sum(connections->by_rule, ids) - steered;
        }
    auto rules = netns.rules();
    std::erase_if(rules, [&](const RuleSpec& rule) { return ids.contains(rule.id); });
    change.put(netns, std::move(rules));
    if (auto done = saving.commit(change, [&] { return back_to_now(netns); }); !done) return done;
    if (open)
        fmt::print(session.err,
                   "warning: {} open connection{} cut\n"
                   "hint: detach --drain lets connections end first\n",
                   open, open == 1 ? " was" : "s were");
    if (steered)
        fmt::print(session.err,
                   "note: {} open connection{} on: sklookup put {} on the listen port itself, "
                   "where a server can be bound again once {} ended (or with SO_REUSEADDR)\n",
                   steered, steered == 1 ? " goes" : "s go", steered == 1 ? "it" : "them",
                   steered == 1 ? "it has" : "they have");
    return {};
}

Result<void> start_drain(Change& change, NetnsRules& netns, const std::set<std::uint16_t>& ids,
                         Saving& saving) {
    auto rules = netns.rules();
    for (auto& rule : rules)
        if (ids.contains(rule.id)) rule.flags |= BP_RULE_DRAINING;
    change.put(netns, std::move(rules));
    return saving.commit(change, [&] { return back_to_now(netns); });
}

// One look: how many connections of these rules are left. Takes the rules off when none is.
Result<unsigned> drain_step(const Session& session, const std::set<std::uint16_t>& ids) {
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    auto netns = NetnsRules::open(change->store());
    if (!netns) return std::unexpected(netns.error());
    if (auto finished = finish_drains(*netns); !finished)
        return context("finish drains", finished.error());
    if (std::ranges::none_of(netns->rules(),
                             [&](const auto& rule) { return ids.contains(rule.id); }))
        return 0U;
    auto open = open_connections(*netns->instance());
    if (!open) return std::unexpected(open.error());
    return std::max(1U, sum(open->by_rule, ids));
}

// The lock is held only for moments, so other commands go on meanwhile.
Result<void> wait_for_drain(const Session& session, const std::set<std::uint16_t>& ids,
                            const DetachOptions& options) {
    auto start = std::chrono::steady_clock::now();
    unsigned said = 0;
    for (;;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(500)); // handshakes become records
        auto left = drain_step(session, ids);
        if (!left) return std::unexpected(left.error());
        if (*left == 0) return {};
        if (*left != said) fmt::print(session.err, "draining: {} open\n", *left);
        session.err.flush();
        said = *left;
        if (options.timeout &&
            std::chrono::steady_clock::now() - start >= std::chrono::seconds(options.timeout))
            return failure(fmt::format("{} connections are still open", *left),
                           "the rules take no new ones and go with the next bpfport command "
                           "after the last has ended; detach without --drain cuts them");
    }
}

Result<void> detach_everything(const Session& session) {
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    Store& store = change->store();
    for (const auto& attachment : attachments(store, 0)) {
        BP_TRY(detach_anywhere(attachment), "detach");
        BP_TRY(store.remove(tc_name(attachment.name().netns, attachment.name().ifindex)),
               attachment.interface());
    }
    for (const auto& entry : unreadable(store))
        if (TcName name; parse_tc_name(entry, name)) BP_TRY(detach_unread(name), entry);
    for (const auto& entry : store.entries()) BP_TRY(store.remove(entry), "detach");
    return detach_left_behind();
}

Result<void> read_words(DetachOptions& options) {
    auto split = split_words(options.words);
    if (!split) return std::unexpected(split.error());
    if (options.all && !options.words.empty())
        return usage_error("--all goes without scopes and rules");
    if (!options.all && split->scopes.empty())
        return usage_error("no scope is given",
                           "bpfport detach eth0; bpfport detach --all for everything");
    if (!split->autos.empty())
        return usage_error(
            fmt::format("{}: name the rule as status shows it", split->autos.front().to_string()));
    auto on_cgroups = split->on_cgroups();
    if (!on_cgroups) return std::unexpected(on_cgroups.error());
    options.on_cgroups = *on_cgroups;
    options.request = {std::move(split->scopes), std::move(split->rules)};
    if (options.clients.given() && options.request.rules.empty())
        return usage_error("--from and --not-from go with rules",
                           "detach eth0 80:3000 --from 192.0.2.0/24");
    return put_clients(options.clients, options.request.rules);
}

Result<void> read_saving(const Session& session, DetachOptions& options) {
    if (options.all)
        return options.saving.refuse("--all is everything, wherever it is written",
                                     "name the scopes, or remove the files of the policy");
    return options.saving.ask(session, rules_edit(PolicyEdit::Kind::kRemove, options.request.scopes,
                                                  options.request.rules));
}

Result<void> detach(const Session& session, DetachOptions& options) {
    if (auto read = read_words(options); !read) return read;
    if (auto read = read_saving(session, options); !read) return read;
    if (options.all && session.netns.empty()) return detach_everything(session);
    if (options.on_cgroups)
        return detach_from_cgroups(session, options.request.scopes, options.request.rules,
                                   options.saving);
    if (auto entered = enter_session_netns(session); !entered) return entered;
    std::set<std::uint16_t> ids;
    std::vector<std::string> names;
    {
        auto change = begin_change(session);
        if (!change) return std::unexpected(change.error());
        if (options.all)
            if (auto detached = detach_cgroup_rules_here(*change); !detached) return detached;
        auto netns = NetnsRules::open(change->store());
        if (!netns) return std::unexpected(netns.error());
        auto facts = interfaces();
        if (!facts) return std::unexpected(facts.error());
        auto selected = select_rules(options.request, netns->rules(), *facts);
        if (!selected) return std::unexpected(selected.error());
        if (auto planned = options.saving.plan(); !planned) return planned;
        if (!options.drain) {
            if (auto detached = detach_now(session, *change, *netns, *selected, options.saving);
                !detached)
                return detached;
        } else {
            ids = ids_of(*selected);
            if (auto started = start_drain(*change, *netns, ids, options.saving); !started)
                return started;
        }
        if (options.all && !options.drain)
            if (auto detached = detach_left_behind(); !detached) return detached;
        for (const auto& rule : *selected) names.push_back(placed(rule, *facts).to_string());
    }
    auto say = [&](const char* what) {
        for (const auto& name : names) fmt::print(session.out, "{}: {}\n", name, what);
        session.out.flush();
    };
    say(ids.empty() ? "detached" : "draining");
    options.saving.print(session.out, "saved");
    if (ids.empty()) return {};
    auto drained = wait_for_drain(session, ids, options);
    if (drained) say("detached");
    return drained;
}

} // namespace

Command add_detach(CommandLine& app) {
    auto options = std::make_shared<DetachOptions>();
    auto* command = app.add_subcommand("detach", "End redirects");
    command->footer("Without rules, all of the scope's. Examples:\n  bpfport detach eth0\n"
                    "  bpfport detach eth0 80:3000 --drain\n  bpfport detach --all");
    command->add_option("WORDS", options->words, "Scopes and rules")
        ->type_name("SCOPE... [RULE...]")
        ->suggest(Values::kScopes);
    add_client_options(*command, options->clients);
    options->saving.add_to(*command);
    command->add_flag("--all", options->all,
                      "Everything, in every network namespace (with --netns: in that one)");
    command->add_flag("--drain", options->drain,
                      "Take no new connections, wait for the open ones to end, then detach");
    command->add_option("--timeout", options->timeout, "With --drain: wait no longer than this")
        ->type_name("SECONDS");
    return {command, [options](const Session& session) { return detach(session, *options); }};
}

} // namespace bpfport
