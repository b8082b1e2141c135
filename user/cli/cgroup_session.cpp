// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/cgroup_session.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include "cli/plan_print.hpp"
#include "engine/engines.hpp"
#include "engine/local_clients.hpp"
#include "kernel/cgroup_lookup.hpp"
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

// The map of addresses has been written anew just now: what it lacks did not fit.
void warn_of_overflow(const Session& session, const Store& store) {
    auto missing = unserved_addresses(store);
    if (missing.empty()) return;
    const std::size_t count = missing.size();
    missing.resize(std::min<std::size_t>(count, 8));
    print_warnings(
        session,
        {{fmt::format("the list of local addresses is full (it takes 4,096 of a "
                      "network namespace): connects of local "
                      "programs to {} of them are left alone: {}{}",
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

Result<std::vector<Planned>> plan_all(Store& store, const std::vector<FoundCgroup>& found,
                                      const CgroupAttachOptions& options, const HostFacts& facts) {
    std::vector<Planned> all;
    for (const auto& one : found) {
        auto engine = open_cgroup_engine(store, one);
        if (!engine) return std::unexpected(engine.error());
        std::string name = one.name;
        NamedPolicy own{name, engine->cgroup().id, engine->content()};
        auto others = other_policies(store, own.cgroup);
        for (const auto& planned : all) // of this very command
            others.push_back({planned.scope, planned.engine.cgroup().id, planned.plan.content});
        auto plan = plan_cgroup_attach(options.request, own, others, facts);
        if (!plan) return std::unexpected(plan.error());
        warn_of_other_netns(engine->cgroup(), name, plan->warnings);
        all.push_back({std::move(*engine), std::move(name), std::move(*plan)});
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

void put_all(Change& change, const GuardRequest& guard, std::vector<Planned>& all,
             const HostFacts& facts) {
    GuardedRules guarded;
    for (const auto& planned : all) guarded.add(planned.plan);
    change.guard(guard, std::move(guarded), facts);
    for (auto& planned : all) change.put(planned.engine, planned.plan.content);
}

// `all` outlives it.
Change::Step back_to_now(std::vector<Planned>& all) {
    std::vector<PolicyContent> now;
    for (const auto& planned : all) now.push_back(planned.engine.content());
    return [&all, now = std::move(now)]() -> Result<void> {
        for (std::size_t at = all.size(); at-- > 0;)
            if (auto done = all[at].engine.apply(now[at]); !done) return done;
        return {};
    };
}

} // namespace

std::string canonical_scope(const Scope& scope, const CgroupRef& cgroup) {
    return scope.kind() == Scope::Kind::kPid || scope.kind() == Scope::Kind::kCgroup
               ? "cgroup:" + cgroup.path
               : scope.to_string();
}

Result<std::vector<FoundCgroup>> find_cgroups(const std::vector<Scope>& scopes) {
    std::vector<FoundCgroup> found;
    for (const auto& scope : scopes) {
        auto cgroup = find_cgroup(scope);
        if (!cgroup) return std::unexpected(cgroup.error());
        std::string name = canonical_scope(scope, *cgroup);
        found.push_back({scope, std::move(*cgroup), std::move(name)});
    }
    return found;
}

std::string cgroup_line(const FoundCgroup& found) {
    const auto kind = found.scope.kind();
    if (kind == Scope::Kind::kUnit || kind == Scope::Kind::kContainer || kind == Scope::Kind::kUser)
        return fmt::format("{} is cgroup {}\n", found.name, found.cgroup.path);
    return {};
}

Result<CgroupEngine> open_cgroup_engine(Store& store, const FoundCgroup& found) {
    return CgroupEngine::open(store, found.cgroup, found.name);
}

Result<void> change_cgroups(const Session& session, const std::vector<Scope>& scopes,
                            const EditPolicy& edit, Saving& saving) {
    auto found = find_cgroups(scopes);
    if (!found) return std::unexpected(found.error());
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    if (auto planned = saving.plan(); !planned) return planned;
    std::vector<PolicyContent> before;
    auto put_back = [&]() -> Result<void> {
        for (std::size_t at = before.size(); at-- > 0;) {
            auto engine = open_cgroup_engine(change->store(), (*found)[at]);
            if (!engine) return std::unexpected(engine.error());
            if (auto done = engine->apply(before[at]); !done) return done;
        }
        return {};
    };
    for (const auto& one : *found) {
        auto engine = open_cgroup_engine(change->store(), one);
        if (!engine) return std::unexpected(engine.error());
        auto content = engine->content();
        before.push_back(content);
        auto lines = edit(one, content);
        if (!lines) return std::unexpected(lines.error());
        change->put(*engine, std::move(content));
        if (&one == &found->back())
            if (auto put = saving.put(*change, [&] { return put_back; }); !put) return put;
        if (auto done = change->commit(); !done) return done;
        for (const auto& line : *lines) fmt::print(session.out, "{}\n", line);
    }
    saving.print(session.out, "saved");
    return {};
}

Result<std::uint64_t> require_netns_cookie() {
    std::uint64_t cookie = current_netns_cookie();
    if (!cookie)
        return failure(
            "the programs can't be told which network namespace this is",
            "kernel 5.14 says it; an older one says it to a program on the cgroup that "
            "bpfport runs in, where another may be for itself alone: bpftool cgroup tree");
    return cookie;
}

std::vector<NamedPolicy> other_policies(const Store& store, std::uint64_t than) {
    std::vector<NamedPolicy> others;
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead))
        if (attachment.meta().cgroup != than)
            others.push_back({attachment.scope(), attachment.meta().cgroup, attachment.content()});
    return others;
}

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
        put_all(*change, options.guard, *all, *facts);
        if (auto put = saving.put(*change, [&] { return back_to_now(*all); }); !put) return put;
        if (auto done = change->commit(); !done) return done;
    }
    for (const auto& one : *found) fmt::print(session.out, "{}", cgroup_line(one));
    for (const auto& planned : *all)
        print_plan(session.out, planned, options.explain ? kWouldBeAttached : kAttached);
    options.explain ? explain(session) : say_who_is_served(session, *all);
    saving.print(session.out, options.explain ? "would be saved" : "saved");
    for (const auto& planned : *all) print_warnings(session, planned.plan.warnings);
    if (!options.explain) warn_of_overflow(session, change->store());
    return {};
}

} // namespace bpfport
