// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport attach SCOPE... RULE...
#include <algorithm>
#include <iterator>
#include <ostream>
#include <set>

#include <fmt/ostream.h>

#include "bpfport/meta.h"
#include "cli/attach_network.hpp"
#include "cli/cgroup_session.hpp"
#include "cli/client_options.hpp"
#include "cli/command.hpp"
#include "cli/plan_print.hpp"
#include "cli/saving.hpp"
#include "config/entry_request.hpp"
#include "config/policy_keys.hpp"
#include "engine/engines.hpp"
#include "engine/guard.hpp"
#include "engine/plan.hpp"
#include "engine/registry.hpp"
#include "engine/signed_rules.hpp"
#include "engine/theft.hpp"
#include "kernel/xdp_hook.hpp"

namespace bpfport {

namespace {

// "  tc        ports are rewritten ...", a line for each engine of interfaces.
std::string engine_lines() {
    std::string lines;
    for (const Engine* engine : engines())
        if (!engine->on_cgroups())
            lines += fmt::format("\n  {:<9} {}", engine->info().name, engine->info().summary);
    return lines;
}

struct AttachOptions {
    std::vector<std::string> words;
    EntryOptions rules; // those that a policy's entry has, too
    std::string hook = "auto";
    bool explain = false; // say what would be done and why, and do nothing
    ClientOptions clients;
    AttachRequest request;
    GuardRequest guard;
    ApplyOptions apply;
    Saving saving;
};

void print_plan(std::ostream& out, const Plan& plan, const HostFacts& facts,
                const PlanWords& words) {
    print_changes(
        out, plan, words,
        [&](const RuleSpec& rule) { return placed(rule, facts.interfaces).to_string(); },
        [](const RuleSpec& rule) { return engine_name(rule.engine); });
    for (const auto& note : kept_addresses(plan, facts)) fmt::print(out, "note: {}\n", note);
}

std::set<std::uint32_t> engines_of(const std::vector<RuleSpec>& rules) {
    std::set<std::uint32_t> engines;
    for (const auto& rule : rules) engines.insert(rule.engine);
    return engines;
}

void explain(std::ostream& out, const Plan& plan, const HostFacts& facts, const HookKind& hook) {
    print_plan(out, plan, facts, {kWouldBeAttached, hook.name});
    for (const auto& reason : plan.reasons) fmt::print(out, "{}\n", reason);
    for (std::uint32_t engine : engines_of(plan.rules))
        fmt::print(out, "{}: {}\n", engine_name(engine), engine_of(engine).info().effect);
    fmt::print(out, "hook {}: {}\n", hook.name, hook.why);
    const auto wanted = wanted_hooks(plan.rules, facts.interfaces);
    for (unsigned ifindex : wanted.tc)
        fmt::print(out, "sees packets of {}\n", scope_name(ifindex, facts.interfaces));
    for (const auto& [ifindex, wish] : wanted.xdp)
        fmt::print(out, "runs {} XDP on {}\n", xdp_mode_name(wish.mode),
                   scope_name(ifindex, facts.interfaces));
    fmt::print(out, "nothing was changed (--explain)\n");
}

Result<void> read_guard(const Session& session, AttachOptions& options) {
    const std::string& text = options.rules.owner;
    options.guard.reserve = options.rules.reserve;
    if (text.empty()) return {};
    auto owner = parse_owner(text);
    if (!owner) return context("--owner", owner.error());
    if (const auto name = owner->to_string(); !owner->user && name.find(text) == name.npos)
        fmt::print(session.out, "owner {} is {}\n", text, name);
    options.guard.owner = std::move(*owner);
    return {};
}

Result<void> check_words(const ScopesAndRules& words) {
    if (words.scopes.empty())
        return usage_error("no scope is given", "bpfport attach eth0 80:3000");
    if (words.rules.empty() && words.autos.empty())
        return usage_error("no rule is given",
                           fmt::format("a rule is {}, such as 80:3000", kRuleForm));
    return {};
}

// No packet is changed on a cgroup, so options about packets are refused.
Result<void> refuse_on_cgroups(const AttachOptions& options) {
    unsigned given = given_options(options.rules);
    if (options.hook != "auto") given |= kOptionHook;
    auto refused = option_names(given & ~cgroup_engine().info().options);
    if (options.rules.engine != "auto") refused.emplace_back("--engine");
    if (!refused.empty())
        return usage_error(fmt::format("{} is for interfaces", refused.front()),
                           "on a cgroup the system call's port is changed, not the packet's");
    if (options.clients.given())
        return usage_error("--from and --not-from are for interfaces",
                           "a server's bind() has no client yet");
    return {};
}

Result<void> attach_cgroups(const Session& session, AttachOptions& options, ScopesAndRules words) {
    CgroupAttachOptions cgroup{std::move(words.scopes), {}, options.guard, options.explain};
    cgroup.request.rules = std::move(words.rules);
    cgroup.request.autos = std::move(words.autos);
    cgroup.request.no_local = options.rules.no_local;
    cgroup.request.force = options.rules.force;
    cgroup.request.replace = options.request.replace;
    return attach_to_cgroups(session, std::move(cgroup), options.saving);
}

// What a file would say.
Result<void> read_saving(const Session& session, AttachOptions& options,
                         const ScopesAndRules& words) {
    const MapSizes usual;
    if (options.hook != "auto" || options.apply.sizes.udp_flows != usual.udp_flows ||
        options.apply.sizes.hints != usual.hints)
        if (auto refused = options.saving.refuse("--hook, --flows and --hints are not a rule's own",
                                                 "write them below [host] of the policy");
            !refused)
            return refused;
    auto edit = rules_edit(PolicyEdit::Kind::kPut, words.scopes, words.rules);
    edit.items.insert(edit.items.end(), words.autos.begin(), words.autos.end());
    edit.options = options.rules;
    return options.saving.ask(session, std::move(edit));
}

void read_options(AttachOptions& options) {
    const bool replace = options.request.replace;
    options.request = attach_request(options.rules);
    options.request.replace = replace;
    options.apply.hook = hook_choice(options.hook);
}

Result<void> attach(const Session& session, AttachOptions& options) {
    auto words = split_words(options.words);
    if (!words) return std::unexpected(words.error());
    if (auto checked = check_words(*words); !checked) return checked;
    auto on_cgroups = words->on_cgroups();
    if (!on_cgroups) return std::unexpected(on_cgroups.error());
    if (auto read = read_guard(session, options); !read) return read;
    if (*on_cgroups)
        if (auto refused = refuse_on_cgroups(options); !refused) return refused;
    if (auto put = put_clients(options.clients, words->rules); !put) return put;
    if (auto read = read_saving(session, options, *words); !read) return read;
    if (*on_cgroups) return attach_cgroups(session, options, std::move(*words));
    read_options(options);
    options.request.scopes = std::move(words->scopes);
    options.request.rules = std::move(words->rules);
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto firewall = read_firewall(); // runs programs, so before the lock
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    auto netns = NetnsRules::open(change->store());
    if (!netns) return std::unexpected(netns.error());
    auto facts = host_facts();
    if (!facts) return std::unexpected(facts.error());
    for (const Engine* engine : engines()) engine->probe(change->store(), *facts);
    auto plan = plan_attach(options.request, netns->rules(), *facts);
    if (!plan) return std::unexpected(plan.error());
    auto network = look_around(*facts, firewall, *plan);
    if (!network) return std::unexpected(network.error());
    if (auto fits = check_network(options.request, *plan, *facts, *network); !fits) return fits;
    const HookKind hook = netns->hook_kind(plan->rules, options.apply.hook);
    std::ranges::move(signature_warnings(*plan, *facts), std::back_inserter(plan->warnings));
    if (auto planned = options.saving.plan(); !planned) return planned;
    if (options.explain) {
        explain(session.out, *plan, *facts, hook);
        print_network(session, *plan, *facts, *network);
        options.saving.print(session.out, "would be saved");
        return {};
    }
    GuardedRules guarded;
    guarded.add(*plan);
    change->guard(options.guard, std::move(guarded), *facts);
    change->put(*netns, plan->rules, options.apply);
    auto undo = [&] { return back_to_now(*netns); };
    if (auto done = options.saving.commit(*change, undo); !done) return done;
    print_plan(session.out, *plan, *facts, {kAttached, hook.name});
    options.saving.print(session.out, "saved");
    print_network(session, *plan, *facts, *network);
    print_warnings(session, plan->warnings);
    print_warnings(session, netns->warnings());
    return {};
}

void add_rule_flags(CommandLine& command, AttachOptions& options) {
    add_client_options(command, options.clients);
    command.add_flag("--no-local", options.rules.no_local, "Leave clients on this host alone");
    command.add_flag("--forwarded", options.rules.forwarded,
                     "Redirect what this host forwards to others as well");
    command.add_flag("--vlan", options.rules.vlan, "Redirect frames with a VLAN tag too");
    command.add_flag("--exclusive", options.rules.exclusive,
                     "Refuse new clients that go straight to the target port");
    command.add_flag(
        "--original-dst", options.rules.original_dst,
        "Let getsockopt(SO_ORIGINAL_DST) of tcp connections return the listen port, as behind "
        "an iptables redirect");
    command
        .add_option("--on-absent", options.rules.on_absent,
                    "What clients get while no program listens on the target; next: another target "
                    "of those that share the listen port")
        ->one_of({"reset", "drop", "pass", "next"})
        ->capture_default_str();
}

void add_engine_options(CommandLine& command, AttachOptions& options) {
    command.add_option("--engine", options.rules.engine, "How it is done")
        ->one_of(engine_choices())
        ->capture_default_str();
    command.add_option("--xdp-mode", options.rules.xdp_mode, "Where an XDP program may run")
        ->one_of({"native", "generic"})
        ->capture_default_str();
    command.add_option("--hook", options.hook, "Where tc programs go")
        ->one_of({"auto", "tcx", "clsact"})
        ->capture_default_str();
    command
        .add_option(
            "--sockname", options.rules.sockname,
            "What getsockname() of an accepted connection returns: the target port, or, with "
            "engine sklookup, the listen port")
        ->one_of({"target", "listen"})
        ->capture_default_str();
    command
        .add_option("--flows", options.apply.sizes.udp_flows,
                    "UDP flows remembered (set by the first attach in a network namespace)")
        ->between(kFewestEntries, kMostEntries)
        ->capture_default_str();
    command
        .add_option("--hints", options.apply.sizes.hints,
                    "TCP handshakes remembered (set by the first attach)")
        ->between(kFewestEntries, kMostEntries)
        ->capture_default_str();
}

} // namespace

Command add_attach(CommandLine& app) {
    auto options = std::make_shared<AttachOptions>();
    auto* command = app.add_subcommand("attach", "Redirect listen ports to target ports");
    command->footer(fmt::format(
        "A scope is an interface, a pattern such as 'eth*', `any`, cgroup:PATH, unit:NAME,\n"
        "container:ID, user:NAME or pid:N; on a cgroup a rule is also PORT:auto.\nA rule is {}.\n"
        "Examples:\n  bpfport attach eth0 80:3000\n"
        "  bpfport attach eth0 wlan0 80:3000 443:8443/tcp+udp\n"
        "  bpfport attach any 192.0.2.1:8000-8010:18000-18010\n"
        "  bpfport attach 'eth*' 192.0.2.0/24:80:3000 8000-8100:=3001\n"
        "  bpfport attach eth0 80:3000 --from 192.0.2.0/24 --not-from 192.0.2.7\n"
        "  bpfport attach eth0 80:3000 80:4000@192.0.2.0/24\n"
        "  bpfport attach eth0 '80:3000*95,4000*5' --on-absent next\n"
        "  bpfport attach unit:web 80:auto --owner www-data\n"
        "Engines (--engine; auto takes the first that serves the rule in full):{}",
        kRuleForm, engine_lines()));
    command->add_option("WORDS", options->words, "Scopes and rules")
        ->type_name("SCOPE... RULE...")
        ->suggest(Values::kScopes);
    add_rule_flags(*command, *options);
    command->add_flag(
        "--force", options->rules.force,
        "Redirect although another program listens on the listen port, or NAT gives it "
        "away");
    command->add_flag("--replace", options->request.replace,
                      "Change the target of a rule; its connections stay with the old one");
    command->add_flag("--explain,--dry-run", options->explain,
                      "Say what would be done and why; do nothing");
    command
        ->add_option("--owner", options->rules.owner,
                     "Only this user or cgroup (and root) may bind the target ports")
        ->type_name("USER|cgroup:PATH")
        ->suggest(Values::kUsers);
    command->add_flag("--reserve", options->rules.reserve, "No program may bind the listen ports");
    options->saving.add_to(*command);
    add_engine_options(*command, *options);
    return {command, [options](const Session& session) { return attach(session, *options); }};
}

} // namespace bpfport
