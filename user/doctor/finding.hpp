// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Finding: one thing that was looked at, what it means for the redirects, and what to do about it.
#pragma once

#include <string>
#include <vector>

namespace bpfport {

enum class Severity {
    kOk,      // looked at and fine
    kNote,    // good to know, or could not be told
    kWarning, // some clients, or a later day, will suffer
    kBroken,  // clients are not served as the rules say
};
const char* severity_name(Severity severity); // ok, note, warning, broken

struct Finding {
    Severity severity = Severity::kOk;
    std::string subject; // kernel, bpffs, interface eth0, 80:3000 on eth0
    std::string text;
    std::string remedy; // empty when nothing needs doing
};
using Findings = std::vector<Finding>;

} // namespace bpfport
