// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/object.hpp"

#include <string_view>

#include "kernel/load_log.hpp"

namespace bpfport {

std::string object_name(const bpf_object_skeleton& skeleton) {
    std::string_view name = skeleton.name;
    constexpr std::string_view ending = "_bpf";
    if (name.ends_with(ending)) name.remove_suffix(ending.size());
    return std::string(name);
}

Loaded load_object(bpf_object_skeleton& skeleton) {
    LoadLog log;
    const int error = bpf_object__load_skeleton(&skeleton);
    if (error == 0) return {};
    auto failure = explain_load(object_name(skeleton), -error, LoadLog::text());
    failure.compiler = compiler_of(skeleton.data, skeleton.data_sz);
    return std::unexpected(std::move(failure));
}

} // namespace bpfport
