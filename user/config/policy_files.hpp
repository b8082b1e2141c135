// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The files of a policy: DIRECTORY/policy.toml, then DIRECTORY/policy.d/*.toml by name; or those that
// are named.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/policy_reader.hpp"

namespace bpfport {

inline constexpr const char* kPolicyDirectory = "/etc/bpfport";

// A name of a directory stands for its files; none for kPolicyDirectory's. An error: there is no file.
Result<std::vector<std::string>> policy_files(const std::vector<std::string>& names);

// kOwn: refused is a file that a user other than root and the caller may write: it will be applied.
enum class Trust { kAny, kOwn };
Result<std::string> read_policy_file(const std::string& file, Trust trust);

struct LoadedPolicy {
    HostPolicy policy;
    std::vector<std::string> files;
};
// Read and checked (policy_check.hpp), or all that is wrong with it.
struct PolicyFaults {
    Error error; // in a line: how many in which files
    std::vector<SourceError> errors;
};
std::expected<LoadedPolicy, PolicyFaults> load_policy(const std::vector<std::string>& names,
                                                      Trust trust);

} // namespace bpfport
