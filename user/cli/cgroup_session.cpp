// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/cgroup_session.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <ostream>

#include <fmt/ostream.h>

#include "kernel/cgroup_lookup.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

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
        if (std::ranges::any_of(
                found, [&](const FoundCgroup& one) { return one.cgroup.id == cgroup->id; }))
            continue;
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
    std::deque<CgroupEngine> engines; // the change refers to them
    std::vector<std::string> lines;
    for (const auto& one : *found) {
        auto engine = open_cgroup_engine(change->store(), one);
        if (!engine) return std::unexpected(engine.error());
        auto content = engine->content();
        auto edited = edit(one, content);
        if (!edited) return std::unexpected(edited.error());
        std::ranges::move(*edited, std::back_inserter(lines));
        change->put(engines.emplace_back(std::move(*engine)), std::move(content));
    }
    if (auto done = saving.commit(*change); !done) return done;
    for (const auto& line : lines) fmt::print(session.out, "{}\n", line);
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

std::vector<NamedPolicy> other_policies(const Store& store, std::uint64_t than,
                                        const std::vector<NamedPolicy>& planned) {
    std::vector<NamedPolicy> others;
    const auto is_planned = [&](std::uint64_t cgroup) {
        return std::ranges::find(planned, cgroup, &NamedPolicy::cgroup) != planned.end();
    };
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead))
        if (const auto id = attachment.meta().cgroup; id != than && !is_planned(id))
            others.push_back({attachment.scope(), id, attachment.content()});
    for (const auto& one : planned)
        if (one.cgroup != than) others.push_back(one);
    return others;
}

Result<PolicyContent> plan_new_cgroup(const Session& session, const Store& store,
                                      CgroupRequest request, const NamedPolicy& own) {
    if (request.rules.empty() && request.autos.empty()) return PolicyContent{};
    auto cookie = require_netns_cookie();
    if (!cookie) return std::unexpected(cookie.error());
    request.netns_cookie = *cookie;
    auto facts = host_facts();
    if (!facts) return std::unexpected(facts.error());
    auto planned = plan_cgroup_attach(request, own, other_policies(store, own.cgroup), *facts);
    if (!planned) return std::unexpected(planned.error());
    print_warnings(session, planned->warnings);
    return PolicyContent{std::move(planned->rules), own.content.grants};
}

} // namespace bpfport
