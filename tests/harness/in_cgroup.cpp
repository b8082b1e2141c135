// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/in_cgroup.hpp"

#include <fstream>
#include <stdexcept>
#include <string>

namespace bpfport::test {
namespace {

bool enter(const std::string& directory) {
    std::ofstream procs(directory + "/cgroup.procs");
    procs << "0" << std::flush;
    return procs.good();
}

std::string own_cgroup() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::")) return cgroup_root() + line.substr(3);
    return cgroup_root();
}

} // namespace

InCgroup::InCgroup(const Cgroup& cgroup) : before_(own_cgroup()) {
    if (!enter(cgroup.path())) throw std::runtime_error("can't enter cgroup " + cgroup.path());
}

InCgroup::~InCgroup() { enter(before_); }

} // namespace bpfport::test
