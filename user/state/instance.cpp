// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/instance.hpp"

namespace bpfport {

Result<TableMaps> table_maps(const std::filesystem::path& directory) {
    auto table = open_pin(directory / pins::kTable);
    if (!table) return std::unexpected(table.error());
    auto rules = open_pin(directory / pins::kRules);
    if (!rules) return std::unexpected(rules.error());
    auto spans = open_pin(directory / pins::kSpans);
    if (!spans) return std::unexpected(spans.error());
    return TableMaps::of(std::move(*table), std::move(*rules), std::move(*spans));
}

Result<Instance> Instance::open(const Store& store, std::uint64_t netns, Store::Access access) {
    Directory directory(store.path(instance_name(netns)));
    auto meta = directory.meta<bp_netns_meta>();
    if (!meta) return std::unexpected(meta.error());
    auto maps = table_maps(directory.path());
    if (!maps) return std::unexpected(maps.error());
    auto table = Table::open(*maps, access == Store::Access::kChange);
    if (!table) return std::unexpected(table.error());
    return Instance(std::move(directory), netns, *meta, std::move(*table));
}

Result<void> Instance::check(const Store& store, std::uint64_t netns) {
    const Directory directory(store.path(instance_name(netns)));
    if (auto meta = directory.meta<bp_netns_meta>(); !meta) return std::unexpected(meta.error());
    if (auto maps = table_maps(directory.path()); !maps) return std::unexpected(maps.error());
    return {};
}

Result<void> Instance::note_direct_write(bool direct_write) {
    meta_.direct_write = direct_write;
    return directory_.describe_anew(meta_);
}

} // namespace bpfport
