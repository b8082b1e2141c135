// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules taken off cgroups.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/cgroup_session.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace {

// The rules of `content` that hold here, or those of them that are named.
Result<std::vector<Rule>> rules_to_detach(const PolicyContent& content, std::uint64_t cookie,
                                          const std::vector<Rule>& named,
                                          const std::string& scope) {
    std::vector<Rule> here;
    std::vector<std::string> list;
    for (const auto& rule : content.rules) {
        if (rule.netns_cookie != cookie) continue;
        here.push_back(rule.rule);
        list.push_back(rule.rule.to_string());
    }
    if (here.empty())
        return failure(fmt::format("no rule is attached to {} in this network namespace", scope),
                       content.grants.empty() ? "" : "grants are taken back with bpfport revoke");
    for (const auto& rule : named)
        if (std::ranges::find(here, rule) == here.end())
            return failure(fmt::format("{} is not attached to {}", rule.to_string(), scope),
                           fmt::format("attached: {}", fmt::join(list, ", ")));
    return named.empty() ? here : named;
}

} // namespace

Result<void> detach_from_cgroups(const Session& session, const std::vector<Scope>& scopes,
                                 const std::vector<Rule>& rules, Saving& saving) {
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto cookie = require_netns_cookie();
    if (!cookie) return std::unexpected(cookie.error());
    return change_cgroups(
        session, scopes,
        [&](const FoundCgroup& found, PolicyContent& content) -> EditedPolicy {
            auto selected = rules_to_detach(content, *cookie, rules, found.name);
            if (!selected) return std::unexpected(selected.error());
            std::erase_if(content.rules, [&](const PolicyRule& rule) {
                return rule.netns_cookie == *cookie &&
                       std::ranges::find(*selected, rule.rule) != selected->end();
            });
            std::vector<std::string> lines;
            for (const auto& rule : *selected)
                lines.push_back(fmt::format("{} on {}: detached", rule.to_string(), found.name));
            return lines;
        },
        saving);
}

Result<void> detach_cgroup_rules_here(Change& change) {
    Store& store = change.store();
    std::uint64_t cookie = current_netns_cookie();
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead)) {
        auto content = attachment.content();
        if (!std::erase_if(content.rules,
                           [&](const PolicyRule& rule) { return rule.netns_cookie == cookie; }))
            continue;
        auto engine = CgroupEngine::open(store, attachment.cgroup(), attachment.scope());
        if (!engine) return std::unexpected(engine.error());
        change.put(*engine, std::move(content));
        if (auto done = change.commit(); !done) return done;
    }
    return {};
}

} // namespace bpfport
