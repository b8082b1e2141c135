// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A policy as the text of a file: read again (policy_reader.hpp) it is the same policy. Options that have
// their default are left out.
#pragma once

#include <string>
#include <vector>

#include "config/host_policy.hpp"

namespace bpfport {

std::string policy_text(const HostPolicy& policy);

// An entry's keys with their values, "name = \"eth0\"". Options are left out where they are as in `defaults`,
// which are those of the entry's file.
std::vector<std::string> entry_lines(const PolicyEntry& entry, const EntryOptions& defaults);
// A text as TOML has it.
std::string quoted_text(const std::string& text);

// Whether a file can have this name: it is printable UTF-8.
bool is_writable_name(const std::string& name);

} // namespace bpfport
