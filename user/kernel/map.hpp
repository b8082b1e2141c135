// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is done with maps: their keys, counters kept for each CPU, and values mapped into this process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <bpf/bpf.h>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// Of a map whose keys are `Key`. Entries that come or go meanwhile may be missing.
template <typename Key> std::vector<Key> keys_of(const Fd& map) {
    std::vector<Key> keys;
    Key key{};
    for (const void* at = nullptr; bpf_map_get_next_key(map.get(), at, &key) == 0;
         at = &keys.back())
        keys.push_back(key);
    return keys;
}

// An element of a per-CPU array that consists of 64-bit counters.
Result<void> sum_cpus(const Fd& map, std::uint32_t key, std::span<std::uint64_t> sum);
Result<void> clear_cpus(const Fd& map, std::uint32_t key, std::size_t counters);

template <typename Counters> Result<Counters> sum_cpus(const Fd& map, std::uint32_t key) {
    static_assert(sizeof(Counters) % sizeof(std::uint64_t) == 0);
    std::uint64_t words[sizeof(Counters) / sizeof(std::uint64_t)]{};
    if (auto summed = sum_cpus(map, key, words); !summed) return std::unexpected(summed.error());
    Counters sum{};
    std::memcpy(&sum, words, sizeof(sum));
    return sum;
}
template <typename Counters> Result<void> clear_cpus(const Fd& map, std::uint32_t key) {
    return clear_cpus(map, key, sizeof(Counters) / sizeof(std::uint64_t));
}

enum class Mapping { kReadOnly, kWritable };

// The value of a map that can be mapped (BPF_F_MMAPABLE), as long as this lives.
template <typename T> class Mapped {
  public:
    static Result<Mapped> open(const Fd& map, Mapping mapping, std::string_view what) {
        int protection = mapping == Mapping::kWritable ? PROT_READ | PROT_WRITE : PROT_READ;
        void* memory = mmap(nullptr, size(), protection, MAP_SHARED, map.get(), 0);
        if (memory == MAP_FAILED) return system_error("map " + std::string(what));
        return Mapped(static_cast<T*>(memory));
    }
    T* operator->() const { return value_.get(); }
    T& operator*() const { return *value_; }

  private:
    struct Unmap {
        void operator()(T* value) const { munmap(value, size()); }
    };
    static std::size_t size() {
        auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        return (sizeof(T) + page - 1) / page * page;
    }
    explicit Mapped(T* value) : value_(value) {}
    std::unique_ptr<T, Unmap> value_;
};

} // namespace bpfport
