// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport attach SCOPE... RULE...
#include <ostream>

#include <fmt/ostream.h>

#include "cli/commands.hpp"
#include "kernel/tc_hook.hpp"

namespace bpfport {

namespace {

const char* hook_text(const TcOptions& options) {
    bool tcx = options.hook == HookChoice::kTcx ||
               (options.hook == HookChoice::kAuto && tcx_supported());
    return tcx ? "tcx" : "clsact";
}

void print_plan(std::ostream& out, const Plan& plan, const HostFacts& facts,
                const TcOptions& options) {
    auto text = [&](const InstalledRule& rule) {
        return placed(rule, facts.interfaces).to_string();
    };
    for (const auto& rule : plan.kept) fmt::print(out, "{}: attached already\n", text(rule));
    for (const auto& [before, after] : plan.replaced)
        fmt::print(out, "{}: replaces {}\n", text(after), before.rule.to_string());
    for (const auto& rule : plan.added)
        fmt::print(out, "{}: attached (tc, {})\n", text(rule), hook_text(options));
}

void explain(std::ostream& out, const Plan& plan, const HostFacts& facts,
             const TcOptions& options) {
    print_plan(out, plan, facts, options);
    fmt::print(out,
               "engine tc: serves tcp and udp on any device; needs nothing of the program behind "
               "it\n"
               "hook {}: {}\n",
               hook_text(options),
               tcx_supported() ? "this kernel has tcx (6.6), whose links clean up by themselves"
                               : "this kernel has no tcx (6.6)");
    for (unsigned ifindex : needed_hooks(plan.rules, facts.interfaces))
        fmt::print(out, "sees packets of {}\n", scope_name(ifindex, facts.interfaces));
    fmt::print(out, "firewalls and getsockname see the target port, peers and tcpdump the listen "
                    "port\nnothing was changed (--explain)\n");
}

} // namespace

Result<void> attach_command(const Session& session, const AttachOptions& options) {
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto store = open_for_change(session);
    if (!store) return std::unexpected(store.error());
    auto engine = open_engine(*store);
    if (!engine) return std::unexpected(engine.error());
    auto facts = host_facts();
    if (!facts) return std::unexpected(facts.error());
    auto plan = plan_attach(options.request, engine->rules(), *facts);
    if (!plan) return std::unexpected(plan.error());
    if (options.explain) {
        explain(session.out, *plan, *facts, options.tc);
        return {};
    }
    if (auto applied = engine->apply(plan->rules, options.tc); !applied) return applied;
    print_plan(session.out, *plan, *facts, options.tc);
    print_warnings(session, plan->warnings);
    return {};
}

} // namespace bpfport
