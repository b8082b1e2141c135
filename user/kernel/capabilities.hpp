// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which capabilities an action needs and which of them this process lacks.
#pragma once

#include <sys/capability.h>

#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace bpfport {

using CapabilityList = std::vector<cap_value_t>;

// What the engines need. CAP_PERFMON lets the verifier skip Spectre sanitation, which refuses
// programs whose pointer arithmetic differs by path.
inline constexpr cap_value_t kAttachCapabilities[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};

// Those of `wanted` that the thread's effective set lacks. CAP_SYS_ADMIN counts as CAP_BPF and
// CAP_PERFMON, as in the kernel; before 5.8, which knows neither, it is what is missing.
CapabilityList missing_capabilities(std::span<const cap_value_t> wanted);

// "needs CAP_BPF and CAP_NET_ADMIN (missing: CAP_BPF); try sudo", for the hint of an EPERM; empty
// when nothing is missing.
std::string capability_hint(std::span<const cap_value_t> wanted);

// An error with that text when something is missing.
Result<void> require_capabilities(std::span<const cap_value_t> wanted);

// The same without asking the kernel, for tests.
struct CapabilityFacts {
    CapabilityList effective;
    bool kernel_has_cap_bpf = true; // 5.8+
    bool initial_user_namespace = true;
};
CapabilityList missing_capabilities(std::span<const cap_value_t> wanted,
                                    const CapabilityFacts& facts);
std::string capability_hint(std::span<const cap_value_t> wanted, const CapabilityFacts& facts);

} // namespace bpfport
