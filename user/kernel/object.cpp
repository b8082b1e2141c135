// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/object.hpp"

#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "kernel/load_log.hpp"

namespace bpfport {

std::string object_name(const bpf_object_skeleton& skeleton) {
    std::string_view name = skeleton.name;
    constexpr std::string_view ending = "_bpf";
    if (name.ends_with(ending)) name.remove_suffix(ending.size());
    return std::string(name);
}

namespace {

Loaded explained(const bpf_object_skeleton& skeleton, int error) {
    if (error == 0) return {};
    auto failure = explain_load(object_name(skeleton), -error, LoadLog::text());
    failure.compiler = compiler_of(skeleton.data, skeleton.data_sz);
    return std::unexpected(std::move(failure));
}

} // namespace

Loaded load_object(bpf_object_skeleton& skeleton) {
    LoadLog log;
    return explained(skeleton, bpf_object__load_skeleton(&skeleton));
}

Loaded load_maps(bpf_object_skeleton& skeleton) {
    LoadLog log;
    return explained(skeleton, bpf_object__load(*skeleton.obj));
}

Result<void> use_pinned(bpf_map* map, const std::filesystem::path& pin) {
    auto fd = open_pin(pin);
    if (!fd) return std::unexpected(fd.error());
    if (int error = bpf_map__reuse_fd(map, fd->get()); error != 0)
        return system_error(fmt::format("reuse map {}", pin.filename().native()), -error);
    return {};
}

Result<void> pin_object(bpf_map* map, const std::filesystem::path& pin) {
    if (int error = bpf_map__pin(map, pin.c_str()); error != 0)
        return system_error(fmt::format("pin map {}", pin.filename().native()), -error);
    return {};
}

Result<void> pin_object(bpf_program* program, const std::filesystem::path& pin) {
    if (int error = bpf_program__pin(program, pin.c_str()); error != 0)
        return system_error(fmt::format("pin program {}", pin.filename().native()), -error);
    return {};
}

std::uint64_t digest(const void* bytes, std::size_t size, std::uint64_t before) {
    const auto* at = static_cast<const unsigned char*>(bytes);
    auto add = [&](std::uint64_t word) { // FNV-1a, a word at a time: a megabyte in a tenth of a ms
        before = (before ^ word) * 0x100000001b3ULL;
        before ^= before >> 32;
    };
    for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof(word));
        add(word);
        at += sizeof(word);
    }
    while (size-- > 0) add(*at++);
    return before;
}

} // namespace bpfport
