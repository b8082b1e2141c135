// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// nginx on port 3000 of a namespace, as an unprivileged user, with /small ("hello\n") and /large
// (10 MB). Throws when it does not start.
#pragma once

#include <optional>
#include <string>

#include "harness/process.hpp"

namespace bpfport::test {

class Nginx {
  public:
    explicit Nginx(const Netns& netns);
    Nginx(const Nginx&) = delete;
    Nginx& operator=(const Nginx&) = delete;
    ~Nginx();

  private:
    std::string directory_;
    std::optional<Process> process_;
};

} // namespace bpfport::test
