// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Reads a policy file. Whatever is wrong is noted with its place, and reading goes on: every mistake is
// reported at once, and what was right is there for the checks that follow (policy_check.hpp).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/host_policy.hpp"

namespace bpfport {

struct PolicyReading {
    HostPolicy policy;
    std::vector<SourceError> errors;
    std::vector<Written<std::string>> host_keys; // of [host], each of which is set once
    EntryOptions defaults;                       // [defaults] of the text that was read last
};

// Adds what the text has. `engines`: the words that `engine` accepts.
void read_policy(const std::string& file, std::string_view text,
                 std::span<const std::string> engines, PolicyReading& reading);

} // namespace bpfport
