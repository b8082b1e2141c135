// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What libbpf says while an object loads or is attached, kept instead of printed: it holds the
// verifier's log, the names of what could not be made, and the kernel's own words (extack).
#pragma once

#include <string>
#include <string_view>

namespace bpfport {

// Keeps what libbpf says in this thread while it lives, one at a time; other threads have their own.
class LoadLog {
  public:
    LoadLog();
    ~LoadLog();
    LoadLog(const LoadLog&) = delete;
    LoadLog& operator=(const LoadLog&) = delete;

    // Everything that was said, without bound: a verifier's log may have megabytes.
    [[nodiscard]] static std::string_view text();
    // "Underlying driver does not support XDP in native mode"; empty when the kernel gave none.
    [[nodiscard]] static std::string kernel_message();
};

} // namespace bpfport
