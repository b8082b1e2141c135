// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules put on cgroups.
#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include "cli/cgroup_session.hpp"
#include "cli/plan_print.hpp"
#include "engine/engines.hpp"
#include "engine/local_clients.hpp"
#include "kernel/netns.hpp"
#include "state/instance.hpp"

namespace bpfport {

namespace {

struct Planned {
    CgroupEngine engine;
    std::string scope;
    CgroupPlan plan;
};

// A program in there that lives in another network namespace does not notice.
void warn_of_other_netns(const CgroupRef& cgroup, const std::string& scope,
                         std::vector<Warning>& warnings) {
    auto here = current_netns_inode();
    for (pid_t pid : processes_in(cgroup.directory)) {
        auto netns = open_netns({"", fmt::format("/proc/{}/ns/net", pid)});
        if (!netns) continue;
        auto inode = netns_inode(*netns);
        if (!here || !inode || *inode == *here) continue;
        warnings.push_back({fmt::format("process {} of {} is in another network namespace, where "
                                        "the rule does not hold",
                                        pid, scope),
                            fmt::format("bpfport --netns {} attach ...", pid)});
        return;
    }
}

void print_plan(std::ostream& out, const Planned& planned, std::string_view done) {
    print_changes(
        out, planned.plan, {done, ""},
        [&](const PolicyRule& rule) {
            return fmt::format("{} on {}", rule.rule.to_string(), planned.scope);
        },
        [](const PolicyRule&) { return cgroup_engine().info().name; });
}

bool has_local_clients(const Planned& planned, std::uint64_t netns_cookie) {
    return std::ranges::any_of(planned.plan.rules, [&](const PolicyRule& rule) {
        return rule.netns_cookie == netns_cookie && !rule.has(BP_POLICY_NO_LOCAL);
    });
}

// The map of addresses has been written anew just now, if a rule has local clients: what it lacks did
// not fit.
void warn_of_overflow(const Session& session, const Store& store) {
    auto missing = unserved_addresses(store);
    if (missing.empty()) return;
    const std::size_t count = missing.size();
    missing.resize(std::min<std::size_t>(count, 8));
    print_warnings(
        session,
        {{fmt::format("the list of local addresses is full (4,096 for each network "
                      "namespace): connects to {} of them are not redirected: {}{}",
                      count, fmt::join(missing, ", "), count > missing.size() ? " ..." : ""),
          "bpfport status names them all"}});
}

void explain(const Session& session) {
    const EngineInfo& info = cgroup_engine().info();
    fmt::print(session.out,
               "{}: {}\n"
               "local clients reach it by the listen port; clients of other hosts by the target "
               "port,\nor by the listen port with `bpfport attach INTERFACE` for the same rule\n"
               "nothing was changed (--explain)\n",
               info.name, info.effect);
}

void say_who_is_served(const Session& session, const std::vector<Planned>& all) {
    for (const auto& [engine, scope, plan] : all)
        if (!plan.added.empty()) {
            fmt::print(session.out,
                       "local clients are served; for other hosts: bpfport attach INTERFACE {}\n",
                       plan.added.front().rule.to_string());
            return;
        }
}

// The cgroups are different ones (find_cgroups).
Result<std::vector<Planned>> plan_all(Store& store, const std::vector<FoundCgroup>& found,
                                      const CgroupAttachOptions& options, const HostFacts& facts) {
    std::vector<Planned> all;
    std::vector<NamedPolicy> planned; // of this very command
    for (const auto& one : found) {
        auto engine = open_cgroup_engine(store, one);
        if (!engine) return std::unexpected(engine.error());
        const NamedPolicy own{one.name, engine->cgroup().id, engine->content()};
        auto plan = plan_cgroup_attach(options.request, own,
                                       other_policies(store, own.cgroup, planned), facts);
        if (!plan) return std::unexpected(plan.error());
        warn_of_other_netns(engine->cgroup(), own.scope, plan->warnings);
        planned.push_back({own.scope, own.cgroup, {plan->rules, own.content.grants}});
        all.push_back({std::move(*engine), own.scope, std::move(*plan)});
    }
    return all;
}

// The ports of the rules on this network namespace's interfaces.
PortList ports_of_interfaces(const Store& store) {
    PortList ports;
    auto netns = current_netns_inode();
    if (!netns || !store.has(instance_name(*netns))) return ports;
    auto instance = Instance::open(store, *netns, Store::Access::kRead);
    if (!instance) return ports;
    for (const auto& rule : instance->table().rules())
        ports.insert(ports.end(), {rule.rule.listen(), rule.rule.target()});
    return ports;
}

} // namespace

Result<void> attach_to_cgroups(const Session& session, CgroupAttachOptions options,
                               Saving& saving) {
    auto found = find_cgroups(options.scopes);
    if (!found) return std::unexpected(found.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    auto cookie = require_netns_cookie();
    if (!cookie) return std::unexpected(cookie.error());
    options.request.netns_cookie = *cookie;
    options.request.avoid = ports_of_interfaces(change->store());
    auto facts = host_facts();
    if (!facts) return std::unexpected(facts.error());
    auto all = plan_all(change->store(), *found, options, *facts);
    if (!all) return std::unexpected(all.error());
    if (auto planned = saving.plan(); !planned) return planned;
    if (!options.explain) {
        GuardedRules guarded;
        for (const auto& planned : *all) guarded.add(planned.plan);
        change->guard(options.guard, std::move(guarded), *facts);
        for (auto& planned : *all)
            change->put(planned.engine, {planned.plan.rules, planned.engine.content().grants});
        if (auto done = saving.commit(*change); !done) return done;
    }
    for (const auto& one : *found) fmt::print(session.out, "{}", cgroup_line(one));
    for (const auto& planned : *all)
        print_plan(session.out, planned, options.explain ? kWouldBeAttached : kAttached);
    options.explain ? explain(session) : say_who_is_served(session, *all);
    saving.print(session.out, options.explain ? "would be saved" : "saved");
    for (const auto& planned : *all) print_warnings(session, planned.plan.warnings);
    if (!options.explain && std::ranges::any_of(*all, [&](const Planned& planned) {
            return has_local_clients(planned, *cookie);
        }))
        warn_of_overflow(session, change->store());
    return {};
}

} // namespace bpfport
