// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/tc_programs.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>

#include <fmt/format.h>

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr std::array kLayers = {LinkLayer::kEthernet, LinkLayer::kNone};
constexpr std::array kDirections = {Direction::kIngress, Direction::kEgress};

bool exists(const fs::path& directory, LinkLayer layer) {
    for (Direction direction : kDirections)
        if (access((directory / program_pin(layer, direction)).c_str(), F_OK) != 0) return false;
    return true;
}

Result<void> move(const fs::path& from, const fs::path& to, LinkLayer layer) {
    for (Direction direction : kDirections) {
        const char* name = program_pin(layer, direction);
        if (rename((from / name).c_str(), (to / name).c_str()) != 0)
            return system_error(fmt::format("put program {} in place", name));
    }
    return {};
}

} // namespace

LinkLayer link_layer(const Interface& interface) {
    return interface.has_ethernet_header() ? LinkLayer::kEthernet : LinkLayer::kNone;
}

const char* program_pin(LinkLayer layer, Direction direction) {
    bool ethernet = layer == LinkLayer::kEthernet;
    if (direction == Direction::kIngress) return ethernet ? pins::kTcIn : pins::kTcInL3;
    return ethernet ? pins::kTcOut : pins::kTcOutL3;
}

bool has_programs(const Instance& instance, LinkLayer layer) {
    return exists(instance.path(), layer);
}

Result<void> load_missing_programs(Store& store, Instance& instance, LinkLayer layer) {
    if (has_programs(instance, layer)) return {};
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    TcObject choice = TcObject::kBest;
    if (layer != LinkLayer::kEthernet) // as the other pair
        choice = instance.meta().direct_write ? TcObject::kDirect : TcObject::kHelper;
    auto loaded = load_tc_object(staging->path(),
                                 {.layer = layer, .keep_maps = instance.path(), .choice = choice});
    if (!loaded) return std::unexpected(loaded.error());
    if (layer == LinkLayer::kEthernet)
        if (auto noted = instance.note_direct_write(*loaded); !noted) return noted;
    return move(staging->path(), instance.path(), layer);
}

Result<bool> stage_programs(const fs::path& staging, const Instance& instance) {
    if (auto made = make_instance_maps(instance.path(), {.table = instance.table().capacity()});
        !made)
        return std::unexpected(made.error());
    TcLoad load{.keep_maps = instance.path()};
    for (LinkLayer layer : kLayers) {
        if (!exists(instance.path(), layer)) continue;
        load.layer = layer;
        auto loaded = load_tc_object(staging, load);
        if (!loaded) return std::unexpected(loaded.error());
        load.choice = *loaded ? TcObject::kDirect : TcObject::kHelper;
    }
    return load.choice == TcObject::kDirect;
}

} // namespace bpfport
