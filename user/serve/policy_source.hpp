// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// PolicySource: the policy that serve keeps in force: that of the files as they were last without a mistake.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/host_policy.hpp"
#include "rule/scope.hpp"
#include "serve/log.hpp"

namespace bpfport {

class PolicySource {
  public:
    // Files and directories as on the command line; none: kPolicyDirectory.
    explicit PolicySource(const std::vector<std::string>& names);

    // Whether the files are others than those that were read, or were written since.
    [[nodiscard]] bool has_changed() const { return stamps() != stamps_; }
    // Reads the files anew and says what is wrong with them.
    void load(ServeLog& log);
    // nullopt: they have never been right.
    [[nodiscard]] const std::optional<HostPolicy>& policy() const { return policy_; }
    // What is wrong with the files now, in a line; empty: nothing.
    [[nodiscard]] const std::string& fault() const { return fault_; }

    // Where a change of the files shows.
    [[nodiscard]] std::set<std::filesystem::path> directories() const;
    // What the policy names, empty: the process's own.
    [[nodiscard]] std::set<std::string> netns() const;
    [[nodiscard]] std::vector<Scope> cgroups() const; // those of owners too

  private:
    // Of each file what stat() tells: identity, times, size.
    using Stamps = std::map<std::string, std::array<std::int64_t, 7>>;
    [[nodiscard]] Stamps stamps() const;

    std::vector<std::string> names_;
    std::optional<HostPolicy> policy_;
    std::string fault_;
    Stamps stamps_;
};

} // namespace bpfport
