// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/rule_counters.hpp"

#include <fmt/format.h>

#include "base/directory.hpp"
#include "bpfport/table.h"
#include "kernel/bpf.hpp"
#include "kernel/map.hpp"
#include "state/pins.hpp"

namespace bpfport {

namespace fs = std::filesystem;

std::string earlier_counters_pin(std::uint32_t ids) {
    return fmt::format("{}_{}", pins::kCounters, ids);
}

Result<RuleCounters> RuleCounters::open(const fs::path& instance) {
    RuleCounters counters;
    auto add = [&](const fs::path& pin) -> Result<void> {
        auto map = open_pin(pin);
        if (!map) return std::unexpected(map.error());
        auto info = map_info(*map, pin.native());
        if (!info) return std::unexpected(info.error());
        counters.maps_.push_back({std::move(*map), info->capacity});
        return {};
    };
    if (auto added = add(instance / pins::kCounters); !added) return std::unexpected(added.error());
    for (std::uint32_t ids = BP_MIN_RULES; ids < counters.maps_.front().ids; ids *= 2) {
        std::error_code ignored;
        auto pin = instance / earlier_counters_pin(ids);
        if (!fs::exists(pin, ignored)) continue;
        if (auto added = add(pin); !added) return std::unexpected(added.error());
    }
    return counters;
}

Result<bp_counters> RuleCounters::read(std::uint16_t id) const {
    bp_counters sum{};
    for (const auto& map : maps_) {
        if (id >= map.ids) continue;
        auto counted = sum_cpus<bp_counters>(map.fd, id);
        if (!counted) return counted;
        sum.packets_in += counted->packets_in;
        sum.bytes_in += counted->bytes_in;
        sum.packets_out += counted->packets_out;
        sum.bytes_out += counted->bytes_out;
        sum.connections += counted->connections;
    }
    return sum;
}

Result<void> RuleCounters::clear(std::uint16_t id) {
    for (const auto& map : maps_)
        if (id < map.ids)
            if (auto cleared = clear_cpus<bp_counters>(map.fd, id); !cleared) return cleared;
    return {};
}

} // namespace bpfport
