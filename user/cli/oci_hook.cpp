// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport oci-hook: called by container runtimes (createRuntime, poststop) with the container's
// state as JSON on standard input. Applies its annotations:
//     bpfport.publish: "80:3000 443:auto"   rules, as for attach
//     bpfport.grant:   "80,443"             grants
// A container without them is left alone. What can't be done fails the container's start, with a
// reason.
#include <algorithm>
#include <istream>
#include <iterator>
#include <ostream>
#include <sstream>

#include <fmt/ostream.h>

#include "cli/cgroup_session.hpp"
#include "cli/command.hpp"
#include "cli/container_state.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/netns.hpp"
#include "kernel/process.hpp"

namespace bpfport {

namespace {

std::vector<std::string> words_of(std::string text) {
    std::ranges::replace(text, ',', ' ');
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
}

std::string scope_of(const ContainerState& state) { return "container:" + state.id; }

Result<PolicyContent> plan(const Session& session, const Store& store, const ContainerState& state,
                           const CgroupRef& cgroup) {
    auto words = split_words(words_of(state.publish));
    if (!words) return context("annotation bpfport.publish", words.error());
    if (!words->scopes.empty())
        return usage_error(fmt::format("annotation bpfport.publish: {} is not a rule",
                                       words->scopes.front().to_string()));
    CgroupRequest request;
    request.rules = std::move(words->rules);
    request.autos = std::move(words->autos);
    auto content =
        plan_new_cgroup(session, store, std::move(request), {scope_of(state), cgroup.id, {}});
    if (!content) return content;
    for (const auto& word : words_of(state.grant)) {
        auto grants = parse_grants(word);
        if (!grants) return context("annotation bpfport.grant", grants.error());
        content->grants.insert(content->grants.end(), grants->begin(), grants->end());
    }
    return content;
}

// In the container's network namespace, which for host networking is the host's.
Result<void> enter_netns_of(pid_t pid) {
    auto netns = open_netns({"", fmt::format("/proc/{}/ns/net", pid)});
    if (!netns) return std::unexpected(netns.error());
    return enter_netns(*netns);
}

bool descends(pid_t pid, pid_t from) {
    for (int most = 64; pid > 1 && most > 0; most--) {
        if (pid == from) return true;
        auto process = find_process(pid);
        pid = process ? process->parent : 0;
    }
    return false;
}

// A cgroup that holds the container's processes and no other's: what is granted to it is granted to
// every process in it. That of a runtime, or of a user's session, is none.
Result<CgroupRef> cgroup_of(const ContainerState& state) {
    constexpr auto kHint = "run it with a cgroup of its own (no --cgroups=disabled or split)";
    auto cgroup = cgroup_of_process(state.pid);
    if (!cgroup) return cgroup;
    if (cgroup->path == "/") return failure("the container has no cgroup of its own", kHint);
    for (pid_t pid : processes_in(cgroup->directory)) {
        if (descends(pid, state.pid)) continue;
        auto process = find_process(pid);
        if (!process) continue; // has ended
        return failure(fmt::format("the container has no cgroup of its own: in {} is also {}",
                                   cgroup->path, process->to_string()),
                       kHint);
    }
    return cgroup;
}

Result<void> begin(const Session& session, const ContainerState& state) {
    auto cgroup = cgroup_of(state);
    if (!cgroup) return std::unexpected(cgroup.error());
    if (auto entered = enter_netns_of(state.pid); !entered) return entered;
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    auto content = plan(session, change->store(), state, *cgroup);
    if (!content) return std::unexpected(content.error());
    auto engine = CgroupEngine::open(change->store(), *cgroup, scope_of(state));
    if (!engine) return std::unexpected(engine.error());
    change->put(*engine, std::move(*content));
    return change->commit();
}

Result<void> end(const Session& session, const ContainerState& state) {
    auto change = begin_change(session); // sweeps, if the cgroup is gone already
    if (!change) return std::unexpected(change.error());
    for (const auto& attachment : cgroup_attachments(change->store(), Store::Access::kRead))
        if (attachment.scope() == scope_of(state)) change->remove(attachment.name());
    return change->commit();
}

// Annotations are its larger part; JSON takes several times its size to be read.
Result<std::string> read_state(std::istream& in) {
    constexpr std::size_t kMost = std::size_t{1} << 20U;
    std::string input(kMost + 1, '\0');
    in.read(input.data(), static_cast<std::streamsize>(input.size()));
    input.resize(static_cast<std::size_t>(in.gcount()));
    if (input.size() > kMost)
        return usage_error("the container's state on standard input has more than 1 MB");
    return input;
}

Result<void> oci_hook(const Session& session) {
    auto input = read_state(session.in);
    if (!input) return std::unexpected(input.error());
    auto state = parse_container_state(*input);
    if (!state) return std::unexpected(state.error());
    if (state->publish.empty() && state->grant.empty()) return {};
    auto done = state->pid > 0 ? begin(session, *state) : end(session, *state);
    if (!done) return context(fmt::format("container {:?}", state->id), done.error());
    return {};
}

} // namespace

Command add_oci_hook(CommandLine& app) {
    auto* command = app.add_subcommand("oci-hook", "For container runtimes: apply annotations");
    command->footer("createRuntime and poststop hook; reads the container's state on standard "
                    "input.\nAnnotations: bpfport.publish (\"80:3000\"), bpfport.grant "
                    "(\"80,443\").");
    return {command, &oci_hook};
}

} // namespace bpfport
