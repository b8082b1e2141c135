// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A policy as the text of a file: read again (policy_reader.hpp) it is the same policy. Options that have
// their default are left out.
#pragma once

#include <string>

#include "config/host_policy.hpp"

namespace bpfport {

std::string policy_text(const HostPolicy& policy);

// Whether a file can have this name: it is printable UTF-8.
bool is_writable_name(const std::string& name);

} // namespace bpfport
