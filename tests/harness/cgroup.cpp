// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/cgroup.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>

#include "base/error.hpp"
#include "harness/sweep.hpp"

namespace bpfport::test {

std::string cgroup_root() {
    std::ifstream mounts("/proc/self/mounts");
    std::string device;
    std::string path;
    std::string type;
    for (std::string rest; mounts >> device >> path >> type; std::getline(mounts, rest))
        if (type == "cgroup2") return path;
    return {};
}

Cgroup::Cgroup() {
    const std::string root = cgroup_root();
    if (root.empty()) throw std::runtime_error("no cgroup version 2 is mounted");
    path_ = root + "/" + unique_name();
    if (::mkdir(path_.c_str(), 0755) != 0)
        throw std::runtime_error("mkdir " + path_ + ": " + error_text(errno));
}

Cgroup::~Cgroup() { remove_cgroup(path_); }

std::string Cgroup::name() const { return path_.substr(path_.rfind('/')); }

} // namespace bpfport::test
