// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The commands, one function each, free of how their words were typed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.hpp"
#include "engine/plan.hpp"

namespace bpfport {

struct AttachOptions {
    AttachRequest request;
    TcOptions tc;
    bool explain = false; // say what would be done and why, and do nothing
};
Result<void> attach_command(const Session& session, const AttachOptions& options);

struct DetachOptions {
    DetachRequest request;
    bool all = false;   // of every network namespace
    bool drain = false; // new connections are left alone; detach when the last has ended
    std::optional<std::chrono::seconds> timeout;
};
Result<void> detach_command(const Session& session, const DetachOptions& options);

struct StatusOptions {
    std::vector<Scope> scopes; // empty: every scope
    bool json = false;
};
Result<void> status_command(const Session& session, const StatusOptions& options);

} // namespace bpfport
