// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Object: a compiled object from its skeleton, opened, then loaded. It is movable and closes itself;
// what it leaves behind is what was pinned. When the kernel refuses it, LoadFailure says why.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>

#include <bpf/libbpf.h>

#include "kernel/load_failure.hpp"

namespace bpfport {

using Loaded = std::expected<void, LoadFailure>;

// "tc_helper" of a skeleton named tc_helper_bpf.
std::string object_name(const bpf_object_skeleton& skeleton);
Loaded load_object(bpf_object_skeleton& skeleton);
// Without the skeleton's pointers into mapped memory, so that maps which have one may be left out.
Loaded load_maps(bpf_object_skeleton& skeleton);

// Between open and load: the map is the one that is pinned there.
Result<void> use_pinned(bpf_map* map, const std::filesystem::path& pin);
// After load.
Result<void> pin_object(bpf_map* map, const std::filesystem::path& pin);
Result<void> pin_object(bpf_program* program, const std::filesystem::path& pin);

std::uint64_t digest(const void* bytes, std::size_t size, std::uint64_t before);
// Tells the compiled objects of one build from those of another.
template <typename... Skeletons>
std::uint64_t object_digest(std::uint64_t before = 0xcbf29ce484222325ULL) {
    auto add = [&](auto* elf_bytes) {
        std::size_t size = 0;
        const void* bytes = elf_bytes(&size);
        before = digest(bytes, size, before);
    };
    (add(&Skeletons::elf_bytes), ...);
    return before;
}

template <typename Skeleton> class Object {
  public:
    // Between open and load, constants, sizes and maps may be set.
    static Result<Object> open() {
        Object object(Skeleton::open());
        if (!object.skeleton_) return system_error("open BPF object");
        return object;
    }
    [[nodiscard]] Loaded load() const { return load_object(*skeleton_->skeleton); }
    [[nodiscard]] Loaded load_maps() const { return bpfport::load_maps(*skeleton_->skeleton); }

    Skeleton* operator->() const { return skeleton_.get(); }
    Skeleton& operator*() const { return *skeleton_; }

  private:
    struct Destroy {
        void operator()(Skeleton* skeleton) const { Skeleton::destroy(skeleton); }
    };
    explicit Object(Skeleton* skeleton) : skeleton_(skeleton) {}

    std::unique_ptr<Skeleton, Destroy> skeleton_;
};

} // namespace bpfport
