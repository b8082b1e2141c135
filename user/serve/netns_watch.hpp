// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// NetnsWatch: interfaces, addresses and hooks of network namespaces, by a socket of rtnetlink in each, and
// namespaces that come and go under a name, by the table of mounts.
#pragma once

#include <poll.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

class NetnsWatch {
  public:
    static Result<NetnsWatch> open();

    // From now on these, by their names; empty: the process's own.
    void follow(std::set<std::string> names);
    void add_to(std::vector<pollfd>& polled) const;
    // Whether something has changed. Doesn't wait.
    bool take();

  private:
    struct One {
        std::uint64_t inode = 0;
        Fd socket; // keeps the namespace: closed when the name is gone
    };
    explicit NetnsWatch(Fd mounts) : mounts_(std::move(mounts)) {}
    bool refresh(); // whether a name is of another namespace now

    Fd mounts_;
    std::set<std::string> names_;
    std::map<std::string, One> open_;
};

} // namespace bpfport
