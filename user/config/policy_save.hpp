// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// PolicySave: an edit of policy files in three steps around a change of the kernel's rules.
//   plan      reads and edits the texts; nothing is written
//   stage     writes them beside the files, to disk; the files are as before
//   publish   renames them into place
// Files are not left half written, and what was staged and not published is removed.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/policy_edit.hpp"

namespace bpfport {

class PolicySave {
  public:
    // `where`: a file, which is made if need be, or a directory, whose policy.toml takes what is new and
    // whose other files are edited where they say what the edit is about.
    static Result<PolicySave> plan(const std::string& where, const PolicyEdit& edit);

    PolicySave(PolicySave&&) noexcept = default;
    PolicySave& operator=(PolicySave&&) = delete;
    ~PolicySave();

    Result<void> stage();
    Result<void> publish();

    // "saved in FILE" for each, "would be saved in FILE".
    [[nodiscard]] std::vector<std::string> lines(std::string_view done) const;

  private:
    struct File {
        std::string name;
        std::string before, after;
        bool is_new = false;
        std::string staged = {}; // the name that stage() gave it
    };
    PolicySave() = default;
    static Result<void> stage(File& file);
    static Result<void> publish(File& file);

    std::string where_;
    std::vector<File> files_; // those that change
};

} // namespace bpfport
