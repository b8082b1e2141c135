// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// RuleCounters: what the programs of a network namespace have counted for each rule. When the rule table
// is enlarged its counters get a larger map, and the earlier one is kept: a rule's counts are those of
// all maps that have its id. So none is lost while programs of both kinds run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/counters.h"

namespace bpfport {

// The pin of the map that had so many ids, once there is a larger one.
std::string earlier_counters_pin(std::uint32_t ids);

class RuleCounters {
  public:
    // Those of the instance in that directory.
    static Result<RuleCounters> open(const std::filesystem::path& instance);

    [[nodiscard]] Result<bp_counters> read(std::uint16_t id) const;
    Result<void> clear(std::uint16_t id);

  private:
    struct Map {
        Fd fd;
        std::uint32_t ids;
    };
    std::vector<Map> maps_;
};

} // namespace bpfport
