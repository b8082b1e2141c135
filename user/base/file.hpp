// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// What can be read of it: of a process or a cgroup that ends meanwhile, what came before that. (A
// std::istreambuf_iterator throws then.)
std::string read_file(const std::filesystem::path& path);

// In as many parts as the kernel takes.
Result<void> write_all(const Fd& file, std::string_view text);

} // namespace bpfport
