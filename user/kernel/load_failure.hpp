// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// LoadFailure: why the kernel refused an object, read from the error number and from what libbpf and
// the verifier said (LoadLog). "Permission denied" alone says as little as five causes have in common.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace bpfport {

enum class LoadRefusal {
    kVerifier,   // it can't show that the program is safe
    kTooComplex, // it gave up: the program has too many paths
    kPrivilege,  // a capability is missing, or a policy forbids bpf(2)
    kMemory,     // none left, or a limit of the control group
    kFeature,    // the kernel has no such helper, kernel function, map or program type
    kNoBtf,      // the kernel does not describe its types
    kOther,
};

struct LoadFailure {
    LoadRefusal refusal = LoadRefusal::kOther;
    int code = 0;
    std::string object;   // tc_helper
    std::string compiler; // of the object: "Debian Clang 14.0.6"
    std::string part;     // "program bp_tc_in", "map bp_hints"; empty when nothing is named
    std::string reason;   // the line that says why
    std::string detail;   // the verifier's last lines: source, instruction, reason

    // Names object, part and reason on its first line, then come the verifier's; what to do is the hint.
    [[nodiscard]] Error error() const;
    // What to do.
    [[nodiscard]] std::string remedy() const;
};

// `code`: errno. `log`: LoadLog::text() after the attempt.
LoadFailure explain_load(std::string_view object, int code, std::string_view log);

// What compiled an object, as it says itself (cmake/bpf_compiler.h); "an unknown compiler".
std::string compiler_of(const void* elf, std::size_t size);

} // namespace bpfport
