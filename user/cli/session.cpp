// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/session.hpp"

#include <algorithm>
#include <ostream>
#include <span>

#include <fmt/ostream.h>

#include "kernel/netns.hpp"

namespace bpfport {

Result<void> enter_session_netns(const Session& session) {
    if (session.netns.empty()) return {};
    auto ref = parse_netns(session.netns);
    if (!ref) return std::unexpected(ref.error());
    auto netns = open_netns(*ref);
    if (!netns) return std::unexpected(netns.error());
    return enter_netns(*netns);
}

Result<Change> begin_change(const Session& session) {
    std::vector<Warning> warnings;
    auto change = Change::begin(session.root, warnings);
    print_warnings(session, warnings);
    return change;
}

Result<Store> open_for_reading(const Session& session) {
    return Store::open(session.root, Store::Access::kRead);
}

void print_warnings(const Session& session, const std::vector<Warning>& warnings) {
    constexpr std::size_t kShown = 20; // a command may name thousands of rules
    const auto shown = std::min(warnings.size(), kShown);
    for (const auto& [message, hint] : std::span(warnings).first(shown)) {
        fmt::print(session.err, "warning: {}\n", message);
        if (!hint.empty()) fmt::print(session.err, "hint: {}\n", hint);
    }
    if (shown < warnings.size())
        fmt::print(session.err, "warning: {} more like these\n", warnings.size() - shown);
}

void print_note(const Session& session, const std::string& note) {
    if (!note.empty()) fmt::print(session.out, "note: {}\n", note);
}

} // namespace bpfport
