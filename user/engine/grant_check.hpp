// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Grant check: a grant lets pass a bind of whatever port it ends with, and the programs of a cgroup
// above run last. So a rule there must not make another low port of one that is granted below.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "state/policy.hpp"

namespace bpfport {

struct PolicyAt {
    std::string scope; // for messages
    std::string path;  // the cgroup's, below the mount
    PolicyContent content;
};

// `low_ports`: how many ports, from 0 on, are privileged.
Result<void> check_grants(const PolicyAt& own, const std::vector<PolicyAt>& others,
                          unsigned low_ports);

} // namespace bpfport
