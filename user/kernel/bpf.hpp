// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The bpf(2) calls we make on pinned objects, as values with errors that name the object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// Keeps libbpf from writing to stderr; what goes wrong is in our errors.
void silence_libbpf();

// Opens a pinned map, program or link.
Result<Fd> open_pin(const std::filesystem::path& path);
Result<void> pin(const Fd& object, const std::filesystem::path& path);

struct ProgramInfo {
    std::uint32_t id = 0;
    std::string name;
    std::string tag; // 16 hex digits: a digest of the instructions
    std::uint64_t run_count = 0;
    std::uint64_t run_time_ns = 0; // both 0 unless kernel.bpf_stats_enabled
};
Result<ProgramInfo> program_info(const Fd& program);
// The tag of the program with that id; empty: there is none.
std::string program_tag(std::uint32_t id);

// Whether a pinned object is a program: a program's info can't be asked of a map.
bool is_program(const Fd& object);

struct MapInfo {
    std::uint32_t type = 0;                     // enum bpf_map_type
    std::uint32_t key_size = 0, value_size = 0; // bytes
    std::uint32_t capacity = 0;
};
Result<MapInfo> map_info(const Fd& map, std::string_view what);

struct MapUse {
    std::uint32_t entries = 0;
    std::uint32_t capacity = 0;
};
// Of a hash map with fixed sizes. Counts in batches (65,488 entries took 13 ms, see docs/metrics.md);
// under load a few are missed or counted twice.
Result<MapUse> map_use(const Fd& map, std::string_view what);

// The one element of a map that holds a struct.
template <typename T> Result<T> read_struct(const Fd& map, std::string_view what);
template <typename T>
Result<void> write_struct(const Fd& map, const T& value, std::string_view what);

// Sizes are checked: a map written by another version is refused, not misread.
Result<void> read_bytes(const Fd& map, void* value, std::size_t size, std::string_view what);
Result<void> write_bytes(const Fd& map, const void* value, std::size_t size, std::string_view what);

template <typename T> Result<T> read_struct(const Fd& map, std::string_view what) {
    T value{};
    if (auto read = read_bytes(map, &value, sizeof(value), what); !read)
        return std::unexpected(read.error());
    return value;
}

template <typename T>
Result<void> write_struct(const Fd& map, const T& value, std::string_view what) {
    return write_bytes(map, &value, sizeof(value), what);
}

} // namespace bpfport
