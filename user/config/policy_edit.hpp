// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Makes the edits of `--save` in the texts of policy files. What an edit doesn't name stays as it is written:
// comments, order, layout, the spelling of rules.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/policy_statement.hpp"

namespace bpfport {

struct PolicyFile {
    std::string name;
    std::string text;
};

// The texts with the edit. Rules go to an entry for the same scopes with the same options, else to a new
// one at the end of `files[added]`. They are read again: the result says exactly what was meant, or is an
// error. `engines`: the words that `engine` accepts.
Result<std::vector<PolicyFile>> edit_policy(std::vector<PolicyFile> files, std::size_t added,
                                            const PolicyEdit& edit,
                                            std::span<const std::string> engines);

} // namespace bpfport
