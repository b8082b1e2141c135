// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/instance_maps.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <ctime>
#include <future>
#include <string_view>
#include <system_error>
#include <utility>

#include "bpfport/table.h"
#include "kernel/bpf.hpp"
#include "kernel/object.hpp"
#include "maps.skel.h"
#include "state/instance.hpp"
#include "state/rule_counters.hpp"

namespace bpfport {

namespace {

constexpr std::pair<std::string_view, const char*> kShared[] = {
    {"bp_addresses", pins::kAddresses},
    {"bp_counters", pins::kCounters},
    {"bp_outcomes", pins::kOutcomes},
    {"bp_events", pins::kEvents},
    {"bp_records", pins::kRecords},
    {"bp_hints", pins::kHints},
    {"bp_udp_flows", pins::kUdpFlows},
    {"bp_forward_tcp", pins::kForwardTcp},
    {"bp_forward_udp", pins::kForwardUdp},
    {"bp_listeners", pins::kListeners},
    {"bp_groups", pins::kGroups},
    {"bp_xdp_devices", pins::kXdpDevices},
    {"bp_last_local", pins::kLastLocal},
    {"bp_fragments", pins::kFragments},
    {"bp_cookies", pins::kCookies},
    {"bp_rules", pins::kRules},
    {"bp_spans", pins::kSpans},
};

// An older version's map of flows may hold less of each. Flows may be forgotten, rules may not.
bool fits(const bpf_map* map, const std::filesystem::path& pin) {
    auto fd = open_pin(pin);
    auto info = fd ? map_info(*fd, pin.native()) : std::unexpected(fd.error());
    return info &&
           (info->type != BPF_MAP_TYPE_LRU_HASH || info->value_size == bpf_map__value_size(map));
}

} // namespace

const char* instance_pin(const bpf_map* map) {
    std::string_view name = bpf_map__name(map);
    if (name.ends_with(".bss")) return pins::kTable; // the table is the only global
    for (const auto& [shared, pin] : kShared)
        if (name == shared) return pin;
    return nullptr;
}

Result<void> use_instance_maps(bpf_object* object, const std::filesystem::path& instance,
                               std::span<const char* const> but) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const char* pin = instance_pin(map);
        std::error_code ignored;
        if (!pin || std::ranges::find(but, std::string_view(pin)) != but.end()) continue;
        if (!std::filesystem::exists(instance / pin, ignored)) continue;
        if (!fits(map, instance / pin)) continue;
        if (auto used = use_pinned(map, instance / pin); !used) return used;
    }
    return {};
}

std::uint32_t tick_shift() {
    timespec tick{};
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_sec != 0 || tick.tv_nsec == 0)
        return 10;
    auto rate = static_cast<std::uint32_t>(1'000'000'000 / tick.tv_nsec);
    return static_cast<std::uint32_t>(std::bit_width(4 * rate - 1));
}

Result<void> pin_instance_maps(bpf_object* object, const std::filesystem::path& directory) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const char* pin = instance_pin(map);
        std::error_code ignored;
        if (!pin || !bpf_map__autocreate(map)) continue;
        if (std::filesystem::exists(directory / pin, ignored)) {
            if (fits(map, directory / pin)) continue;
            std::filesystem::remove(directory / pin, ignored);
        }
        if (auto pinned = pin_object(map, directory / pin); !pinned) return pinned;
    }
    return {};
}

namespace {

Result<void> rename_pin(const std::filesystem::path& from, const std::filesystem::path& to) {
    if (rename(from.c_str(), to.c_str()) == 0) return {};
    return system_error("put " + to.filename().native() + " in place");
}

// Rules, spans and counters of that capacity, pinned in `staging`. All else is the instance's.
Result<void> make_table_maps(const std::filesystem::path& staging,
                             const std::filesystem::path& instance, const TableCapacity& capacity) {
    auto object = Object<maps_bpf>::open();
    if (!object) return std::unexpected(object.error());
    auto& maps = (*object)->maps;
    size_maps(maps, {.table = capacity});
    constexpr const char* kOwn[] = {pins::kRules, pins::kSpans, pins::kCounters};
    if (auto used = use_instance_maps((*object)->obj, instance, kOwn); !used) return used;
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    for (bpf_map* made : {maps.bp_rules, maps.bp_spans, maps.bp_counters})
        if (auto pinned = pin_object(made, staging / instance_pin(made)); !pinned) return pinned;
    return {};
}

// The larger counters in the place of the present ones, which are kept under another name. Killed in
// between, that name is one more for the present ones, which RuleCounters then leaves out.
Result<void> enlarge_counters(const std::filesystem::path& staging,
                              const std::filesystem::path& instance, std::uint32_t ids) {
    auto present = open_pin(instance / pins::kCounters);
    if (!present) return std::unexpected(present.error());
    auto info = map_info(*present, "counters");
    if (!info) return std::unexpected(info.error());
    if (info->capacity >= ids) return {};
    auto earlier = instance / earlier_counters_pin(info->capacity);
    std::error_code ignored;
    std::filesystem::remove(earlier, ignored);
    if (auto kept = pin(*present, earlier); !kept) return kept;
    return rename_pin(staging / pins::kCounters, instance / pins::kCounters);
}

} // namespace

Result<void> enlarge_table(Store& store, const Instance& instance, const TableCapacity& capacity) {
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    const auto& directory = staging->path();
    if (auto made = make_table_maps(directory, instance.path(), capacity); !made) return made;
    auto table = instance.open_pin(pins::kTable);
    if (!table) return std::unexpected(table.error());
    auto rules = open_pin(directory / pins::kRules);
    if (!rules) return std::unexpected(rules.error());
    auto spans = open_pin(directory / pins::kSpans);
    if (!spans) return std::unexpected(spans.error());
    auto maps = TableMaps::of(std::move(*table), std::move(*rules), std::move(*spans));
    if (!maps) return std::unexpected(maps.error());
    auto larger = Table::open(*maps, true);
    if (!larger) return std::unexpected(larger.error());
    instance.table().copy_to(*larger);
    // The rules last: their size is that of the table.
    if (auto counters = enlarge_counters(directory, instance.path(), capacity.rules); !counters)
        return counters;
    for (const char* pin : {pins::kSpans, pins::kRules})
        if (auto done = rename_pin(directory / pin, instance.path() / pin); !done) return done;
    return {};
}

namespace {

// To clear the memory of these takes half of the time that the kernel needs for all maps.
constexpr std::string_view kLarge[] = {"bp_udp_flows", "bp_last_local", "bp_addresses"};

Result<void> make_maps(const std::filesystem::path& directory, const MapSizes& sizes, bool large) {
    auto object = Object<maps_bpf>::open();
    if (!object) return std::unexpected(object.error());
    size_maps((*object)->maps, sizes);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, (*object)->obj) {
        const bool is_large = std::ranges::count(kLarge, bpf_map__name(map)) != 0;
        bpf_map__set_autocreate(map, is_large == large);
    }
    if (auto used = use_instance_maps((*object)->obj, directory); !used) return used;
    if (auto loaded = object->load_maps(); !loaded) return std::unexpected(loaded.error().error());
    return pin_instance_maps((*object)->obj, directory);
}

} // namespace

Result<void> make_instance_maps(const std::filesystem::path& directory, const MapSizes& sizes) {
    auto beside = std::async([&] { return make_maps(directory, sizes, true); });
    auto made = make_maps(directory, sizes, false);
    auto made_beside = beside.get();
    if (made) made = made_beside;
    return made ? made : context("create maps", made.error());
}

} // namespace bpfport
