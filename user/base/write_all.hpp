// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// In as many parts as the kernel takes.
Result<void> write_all(const Fd& file, std::string_view text);

} // namespace bpfport
