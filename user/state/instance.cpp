// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/instance.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"

namespace bpfport {

Result<Instance> Instance::open(const Store& store, std::uint64_t netns, Store::Access access) {
    auto path = store.path(instance_name(netns));
    auto meta_map = bpfport::open_pin(path / pins::kMeta);
    if (!meta_map) return std::unexpected(meta_map.error());
    auto meta = read_struct<bp_netns_meta>(*meta_map, (path / pins::kMeta).native());
    if (!meta) return std::unexpected(meta.error());
    if (meta->abi != BP_ABI)
        return failure(fmt::format("{} was made by another version of bpfport (ABI {}, this is {})",
                                   path.native(), meta->abi, BP_ABI),
                       "bpfport detach --all, then attach again");
    auto table_map = bpfport::open_pin(path / pins::kTable);
    if (!table_map) return std::unexpected(table_map.error());
    auto table = Table::open(*table_map, access == Store::Access::kChange);
    if (!table) return std::unexpected(table.error());
    return Instance(std::move(path), netns, *meta, std::move(*table));
}

Result<Fd> Instance::open_pin(const char* name) const { return bpfport::open_pin(path_ / name); }

Result<void> pin_meta(const std::filesystem::path& directory, const void* value, std::size_t size) {
    Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bp_meta", sizeof(std::uint32_t),
                          static_cast<std::uint32_t>(size), 1, nullptr));
    if (!map) return system_error("create map bp_meta");
    BP_TRY(write_bytes(map, value, size, "bp_meta"), "fill");
    return pin(map, directory / pins::kMeta);
}

} // namespace bpfport
