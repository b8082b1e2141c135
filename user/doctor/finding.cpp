// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/finding.hpp"

namespace bpfport {

const char* severity_name(Severity severity) {
    switch (severity) {
    case Severity::kOk:
        return "ok";
    case Severity::kNote:
        return "note";
    case Severity::kWarning:
        return "warning";
    case Severity::kBroken:
        return "broken";
    }
    return "";
}

} // namespace bpfport
