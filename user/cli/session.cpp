// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/session.hpp"

#include <ostream>

#include <fmt/ostream.h>

#include "engine/cgroup_engine.hpp"
#include "engine/drain.hpp"
#include "kernel/bpffs.hpp"
#include "kernel/capabilities.hpp"
#include "kernel/netns.hpp"
#include "state/attachment.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

Result<void> enter_session_netns(const Session& session) {
    if (session.netns.empty()) return {};
    auto ref = parse_netns(session.netns);
    if (!ref) return std::unexpected(ref.error());
    auto netns = open_netns(*ref);
    if (!netns) return std::unexpected(netns.error());
    return enter_netns(*netns);
}

Result<Store> open_for_change(const Session& session) {
    if (auto allowed = require_capabilities(kAttachCapabilities); !allowed)
        return std::unexpected(allowed.error());
    if (auto there = ensure_bpffs(session.root.parent_path()); !there)
        return std::unexpected(there.error());
    auto store = Store::open(session.root, Store::Access::kChange);
    if (!store) return store;
    for (const auto& entry : unreadable(*store))
        print_warnings(session, {{fmt::format("{} {}", entry, kUnreadableText), kUnreadableHint}});
    if (auto swept = sweep(*store); !swept) return std::unexpected(swept.error());
    if (auto swept = sweep_cgroups(*store); !swept) return std::unexpected(swept.error());
    print_warnings(session, finish_all_drains(*store));
    if (auto done = reconcile_cgroups(*store); !done) return std::unexpected(done.error());
    return store;
}

Result<Store> open_for_reading(const Session& session) {
    return Store::open(session.root, Store::Access::kRead);
}

void print_warnings(const Session& session, const std::vector<Warning>& warnings) {
    for (const auto& [message, hint] : warnings) {
        fmt::print(session.err, "warning: {}\n", message);
        if (!hint.empty()) fmt::print(session.err, "hint: {}\n", hint);
    }
}

} // namespace bpfport
