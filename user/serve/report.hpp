// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ServeReport: what came of making the kernel match the policy once, and what that was about. It passes from the
// process that does it to the one that stays (round.hpp).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "rule/conflict.hpp"

namespace bpfport {

struct ServeReport {
    struct Done {
        std::string event; // added, changed, removed, repaired
        std::string text;
    };
    std::vector<Done> done;
    std::vector<std::string> left; // what no file has
    std::vector<Warning> skipped;  // what the host doesn't have now
    std::vector<Warning> faults;   // what could not be put into force
    std::vector<Warning> warnings; // of what was
    std::size_t in_force = 0;      // rules, grants and owners of the policy
    bool outdated = false; // the files had changed when the lock was had, so nothing was done
    bool again = false;    // something ends by itself: look again soon
    // What the policy has and what is in force of it (cli/apply_prune.hpp).
    std::set<std::pair<std::uint64_t, std::string>> owned;
};

std::string encode_report(const ServeReport& report);
Result<ServeReport> decode_report(const std::string& text);

} // namespace bpfport
