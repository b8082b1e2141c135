// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/bpf.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace bpfport {

void silence_libbpf() { libbpf_set_print(nullptr); }

Result<Fd> open_pin(const std::filesystem::path& path) {
    Fd fd(bpf_obj_get(path.c_str()));
    if (!fd) return system_error(fmt::format("open {}", path.native()));
    return fd;
}

Result<void> pin(const Fd& object, const std::filesystem::path& path) {
    if (bpf_obj_pin(object.get(), path.c_str()) != 0)
        return system_error(fmt::format("pin {}", path.native()));
    return {};
}

Result<ProgramInfo> program_info(const Fd& program) {
    bpf_prog_info raw{};
    std::uint32_t size = sizeof(raw);
    if (bpf_obj_get_info_by_fd(program.get(), &raw, &size) != 0)
        return system_error("read program info");
    ProgramInfo info{raw.id, raw.name, {}, raw.run_cnt, raw.run_time_ns};
    for (unsigned byte : raw.tag) info.tag += fmt::format("{:02x}", byte);
    return info;
}

bool is_program(const Fd& object) {
    std::array<char, 64> kind{};
    auto path = fmt::format("/proc/self/fd/{}", object.get());
    return ::readlink(path.c_str(), kind.data(), kind.size() - 1) > 0 &&
           std::string_view(kind.data()) == "anon_inode:bpf-prog";
}

std::string program_tag(std::uint32_t id) {
    Fd program(bpf_prog_get_fd_by_id(id));
    auto info = program ? program_info(program) : failure("gone");
    return info ? info->tag : std::string();
}

Result<MapInfo> map_info(const Fd& map, std::string_view what) {
    bpf_map_info raw{};
    std::uint32_t size = sizeof(raw);
    if (bpf_obj_get_info_by_fd(map.get(), &raw, &size) != 0)
        return system_error(fmt::format("read map info of {}", what));
    return MapInfo{raw.type, raw.key_size, raw.value_size, raw.max_entries};
}

Result<MapUse> map_use(const Fd& map, std::string_view what) {
    constexpr std::uint32_t kBatch = 4096; // more than a bucket holds: those come as a whole
    auto info = map_info(map, what);
    if (!info) return std::unexpected(info.error());
    std::vector<std::byte> keys(std::size_t{kBatch} * info->key_size);
    std::vector<std::byte> values(std::size_t{kBatch} * info->value_size);
    std::uint64_t place = 0, next = 0; // the kernel's, four bytes of them
    MapUse use{0, info->capacity};
    for (bool first = true;; first = false, place = next) {
        std::uint32_t count = kBatch;
        int error = bpf_map_lookup_batch(map.get(), first ? nullptr : &place, &next, keys.data(),
                                         values.data(), &count, nullptr);
        if (error != 0 && errno != ENOENT)
            return system_error(fmt::format("count the entries of {}", what));
        use.entries += count;
        if (error != 0) break;
    }
    use.entries = std::min(use.entries, use.capacity);
    return use;
}

namespace {

Result<void> check_size(const Fd& map, std::size_t size, std::string_view what) {
    auto info = map_info(map, what);
    if (!info) return std::unexpected(info.error());
    if (info->value_size != size)
        return failure(
            fmt::format("{} has {} bytes where this version has {}", what, info->value_size, size),
            "it was written by another version of bpfport; "
            "bpfport detach --all, then attach again");
    return {};
}

} // namespace

Result<void> read_bytes(const Fd& map, void* value, std::size_t size, std::string_view what) {
    if (auto checked = check_size(map, size, what); !checked) return checked;
    std::uint32_t key = 0;
    if (bpf_map_lookup_elem(map.get(), &key, value) != 0)
        return system_error(fmt::format("read {}", what));
    return {};
}

Result<void> write_bytes(const Fd& map, const void* value, std::size_t size,
                         std::string_view what) {
    if (auto checked = check_size(map, size, what); !checked) return checked;
    std::uint32_t key = 0;
    if (bpf_map_update_elem(map.get(), &key, value, BPF_ANY) != 0)
        return system_error(fmt::format("write {}", what));
    return {};
}

} // namespace bpfport
