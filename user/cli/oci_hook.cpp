// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport oci-hook: called by container runtimes (createRuntime, poststop) with the container's
// state as JSON on standard input. Applies its annotations:
//     bpfport.publish: "80:3000 443:auto"   rules, as for attach
//     bpfport.grant:   "80,443"             grants
// A container without them is left alone. What can't be done fails the container's start, with a
// reason.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <ostream>
#include <sstream>

#include <fmt/ostream.h>

#include "cli/cgroup_session.hpp"
#include "cli/command.hpp"
#include "cli/container_state.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace {

std::vector<std::string> words_of(std::string text) {
    std::ranges::replace(text, ',', ' ');
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
}

std::string scope_of(const ContainerState& state) {
    return "container:" + state.id;
}

Result<PolicyContent> plan(const Session& session, const Store& store, const ContainerState& state,
                           const CgroupRef& cgroup) {
    PolicyContent content;
    auto words = split_words(words_of(state.publish));
    if (!words) return context("annotation bpfport.publish", words.error());
    if (!words->scopes.empty())
        return usage_error(fmt::format("annotation bpfport.publish: {} is not a rule",
                                       words->scopes.front().to_string()));
    if (!words->rules.empty() || !words->autos.empty()) {
        auto cookie = require_netns_cookie();
        if (!cookie) return std::unexpected(cookie.error());
        auto facts = host_facts();
        if (!facts) return std::unexpected(facts.error());
        CgroupRequest request{words->rules, words->autos, *cookie, {}, false, false, false};
        auto planned = plan_cgroup_attach(request, {scope_of(state), cgroup.id, {}},
                                          other_policies(store, cgroup.id), *facts);
        if (!planned) return std::unexpected(planned.error());
        print_warnings(session, planned->warnings);
        content = std::move(planned->content);
    }
    for (const auto& word : words_of(state.grant)) {
        auto grants = parse_grants(word);
        if (!grants) return context("annotation bpfport.grant", grants.error());
        content.grants.insert(content.grants.end(), grants->begin(), grants->end());
    }
    return content;
}

// In the container's network namespace, which for host networking is the host's.
Result<void> enter_netns_of(pid_t pid) {
    auto netns = open_netns({"", fmt::format("/proc/{}/ns/net", pid)});
    if (!netns) return std::unexpected(netns.error());
    return enter_netns(*netns);
}

Result<void> begin(const Session& session, const ContainerState& state) {
    if (auto entered = enter_netns_of(state.pid); !entered) return entered;
    auto store = open_for_change(session);
    if (!store) return std::unexpected(store.error());
    auto cgroup = cgroup_of_process(state.pid);
    if (!cgroup) return std::unexpected(cgroup.error());
    if (cgroup->path == "/")
        return failure("the container has no cgroup of its own",
                       "run it with a cgroup: the policy would hold for the whole machine");
    auto content = plan(session, *store, state, *cgroup);
    if (!content) return std::unexpected(content.error());
    auto engine = CgroupEngine::open(*store, *cgroup, scope_of(state));
    if (!engine) return std::unexpected(engine.error());
    return engine->apply(std::move(*content));
}

Result<void> end(const Session& session, const ContainerState& state) {
    auto store = open_for_change(session); // sweeps, if the cgroup is gone already
    if (!store) return std::unexpected(store.error());
    for (const auto& attachment : cgroup_attachments(*store, Store::Access::kRead))
        if (attachment.scope() == scope_of(state))
            if (auto removed = store->remove(attachment.name()); !removed) return removed;
    return reconcile_cgroups(*store);
}

Result<void> oci_hook(const Session& session) {
    const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
    auto state = parse_container_state(input);
    if (!state) return std::unexpected(state.error());
    if (state->publish.empty() && state->grant.empty()) return {};
    auto done = state->pid > 0 ? begin(session, *state) : end(session, *state);
    if (!done) return context(fmt::format("container {:?}", state->id), done.error());
    return {};
}

} // namespace

Command add_oci_hook(CLI::App& app) {
    auto* command = app.add_subcommand("oci-hook", "For container runtimes: apply annotations");
    command->footer("createRuntime and poststop hook; reads the container's state on standard "
                    "input.\nAnnotations: bpfport.publish (\"80:3000\"), bpfport.grant "
                    "(\"80,443\").");
    return {command, &oci_hook};
}

} // namespace bpfport
