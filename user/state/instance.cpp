// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/instance.hpp"

namespace bpfport {

Result<Instance> Instance::open(const Store& store, std::uint64_t netns, Store::Access access) {
    Directory directory(store.path(instance_name(netns)));
    auto meta = directory.meta<bp_netns_meta>();
    if (!meta) return std::unexpected(meta.error());
    auto map = directory.open(pins::kTable);
    if (!map) return std::unexpected(map.error());
    auto table = Table::open(*map, access == Store::Access::kChange);
    if (!table) return std::unexpected(table.error());
    return Instance(std::move(directory), netns, *meta, std::move(*table));
}

Result<void> Instance::note_direct_write(bool direct_write) {
    meta_.direct_write = direct_write;
    return directory_.describe_anew(meta_);
}

} // namespace bpfport
