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

// `count` values of a map that can be mapped (BPF_F_MMAPABLE), as long as this lives.
template <typename T> class MappedArray {
    static_assert(sizeof(T) % 8 == 0, "an array map rounds its values up to 8 bytes");

  public:
    static Result<MappedArray> open(const Fd& map, std::size_t count, Mapping mapping,
                                    std::string_view what) {
        int protection = mapping == Mapping::kWritable ? PROT_READ | PROT_WRITE : PROT_READ;
        void* memory = mmap(nullptr, size_of(count), protection, MAP_SHARED, map.get(), 0);
        if (memory == MAP_FAILED) return system_error("map " + std::string(what));
        return MappedArray(static_cast<T*>(memory), count);
    }
    T& operator[](std::size_t index) const { return values_.get()[index]; }

  private:
    struct Unmap {
        std::size_t count = 0;
        void operator()(T* values) const { munmap(values, size_of(count)); }
    };
    static std::size_t size_of(std::size_t count) {
        auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        return (count * sizeof(T) + page - 1) / page * page;
    }
    MappedArray(T* values, std::size_t count) : values_(values, Unmap{count}) {}
    std::unique_ptr<T, Unmap> values_;
};

// The one value of such a map.
template <typename T> class Mapped {
  public:
    static Result<Mapped> open(const Fd& map, Mapping mapping, std::string_view what) {
        auto value = MappedArray<T>::open(map, 1, mapping, what);
        if (!value) return std::unexpected(value.error());
        return Mapped(std::move(*value));
    }
    T* operator->() const { return &value_[0]; }
    T& operator*() const { return value_[0]; }

  private:
    explicit Mapped(MappedArray<T> value) : value_(std::move(value)) {}
    MappedArray<T> value_;
};

} // namespace bpfport
