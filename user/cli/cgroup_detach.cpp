// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules taken off cgroups.
#include <deque>

#include <fmt/format.h>

#include "cli/cgroup_session.hpp"
#include "engine/selection.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

Result<void> detach_from_cgroups(const Session& session, const std::vector<Scope>& scopes,
                                 const std::vector<Rule>& rules, Saving& saving) {
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto cookie = require_netns_cookie();
    if (!cookie) return std::unexpected(cookie.error());
    return change_cgroups(
        session, scopes,
        [&](const FoundCgroup& found, PolicyContent& content) -> EditedPolicy {
            NamedRules named(rules);
            std::vector<std::string> here, lines;
            std::erase_if(content.rules, [&](const PolicyRule& rule) {
                if (rule.netns_cookie != *cookie) return false;
                here.push_back(rule.rule.to_string());
                if (!named.take(rule.rule)) return false;
                lines.push_back(fmt::format("{} on {}: detached", here.back(), found.name));
                return true;
            });
            if (here.empty())
                return failure(
                    fmt::format("no rule is attached to {} in this network namespace", found.name),
                    content.grants.empty() ? "" : "grants are taken back with bpfport revoke");
            if (auto all = named.all_taken("to " + found.name, here.size(),
                                           [&](std::size_t at) { return here[at]; });
                !all)
                return std::unexpected(all.error());
            return lines;
        },
        saving);
}

Result<void> detach_cgroup_rules_here(Change& change) {
    Store& store = change.store();
    const std::uint64_t cookie = current_netns_cookie();
    std::deque<CgroupEngine> engines; // the change refers to them
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead)) {
        auto content = attachment.content();
        if (!std::erase_if(content.rules,
                           [&](const PolicyRule& rule) { return rule.netns_cookie == cookie; }))
            continue;
        auto engine = CgroupEngine::open(store, attachment.cgroup(), attachment.scope());
        if (!engine) return std::unexpected(engine.error());
        change.put(engines.emplace_back(std::move(*engine)), std::move(content));
    }
    return change.commit();
}

} // namespace bpfport
