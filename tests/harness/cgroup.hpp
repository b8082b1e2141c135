// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A cgroup (version 2) of a test's own, made on construction, emptied and removed at scope end.
#pragma once

#include <string>

namespace bpfport::test {

// Where cgroup version 2 is mounted; empty when it is not.
std::string cgroup_root();

class Cgroup {
  public:
    Cgroup(); // throws std::runtime_error when it can't be made
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup();

    [[nodiscard]] const std::string& path() const { return path_; } // below /sys/fs/cgroup
    [[nodiscard]] std::string name() const;                         // as bpfport has it: /bpt-1-2

  private:
    std::string path_;
};

} // namespace bpfport::test
