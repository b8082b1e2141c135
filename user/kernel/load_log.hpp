// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What libbpf says while an object loads or is attached, kept instead of printed: its last lines hold
// the verifier's reason, or the kernel's own words for refusing (extack).
#pragma once

#include <string>

#include <bpf/libbpf.h>

namespace bpfport {

// Listens while it lives; one at a time.
class LoadLog {
  public:
    LoadLog();
    ~LoadLog();
    LoadLog(const LoadLog&) = delete;
    LoadLog& operator=(const LoadLog&) = delete;

    // The last line that says something, for a one-line error; empty when there is none.
    [[nodiscard]] static std::string reason();
    // "Underlying driver does not support XDP in native mode"; empty when the kernel gave none.
    [[nodiscard]] static std::string kernel_message();

  private:
    libbpf_print_fn_t previous_;
};

} // namespace bpfport
