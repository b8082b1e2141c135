// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/export_guards.hpp"

#include <fmt/format.h>

#include "kernel/process.hpp"

namespace bpfport {

namespace {

// As parse_owner() reads it; empty: a cgroup that is gone.
std::string name_of(const Guard& guard) {
    auto owner = guard.owner();
    if (!owner) return {};
    return owner->user ? user_name(*owner->user) : "cgroup:" + owner->cgroup.path;
}

} // namespace

ExportGuards::ExportGuards(const Store& store, std::uint64_t netns_cookie) {
    for (const auto& guard : guards(store)) {
        if (guard.netns_cookie != netns_cookie) continue;
        const bool listen = guard.entry.kind == BP_GUARD_RESERVE;
        owners_[{guard.protocol, guard.port, listen}] = listen ? "nobody" : name_of(guard);
    }
}

std::optional<std::string> ExportGuards::common(PortRange ports, Protocol protocol, bool listen,
                                                bool& some) const {
    std::optional<std::string> all;
    bool differs = false;
    for (unsigned port = ports.first; port <= ports.last; port++) {
        auto found = owners_.find({protocol, port, listen});
        const std::string owner = found == owners_.end() ? "" : found->second;
        some |= found != owners_.end();
        differs |= owner.empty() || (all && *all != owner);
        all = owner;
    }
    return differs ? std::nullopt : all;
}

std::string ExportGuards::describe(const Rule& rule, EntryOptions& options) const {
    bool owned = false, reserved = false;
    auto owner = common(rule.target(), rule.protocol(), false, owned);
    auto listen = common(rule.listen(), rule.protocol(), true, reserved);
    options.owner = owner.value_or("");
    options.reserve = listen.has_value();
    std::string text;
    if (owned && !owner) text = "not all of its target ports have one owner that is there";
    if (reserved && !listen)
        text += fmt::format("{}not all of its listen ports are reserved", text.empty() ? "" : "; ");
    return text;
}

} // namespace bpfport
