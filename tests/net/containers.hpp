// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Containers of crun below a test's cgroup, in its network namespace (the "host network"): nobody's, without capabilities,
// whose root is a static busybox.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/cgroup.hpp"
#include "harness/netns.hpp"
#include "harness/process.hpp"

namespace bpfport::test {

class Containers {
  public:
    // `notes`: where crun writes down what it runs; "": in directory().
    Containers(const Netns& netns, const Cgroup& cgroup, std::string notes = "");
    Containers(const Containers&) = delete;
    Containers& operator=(const Containers&) = delete;
    ~Containers(); // those that run are ended

    // Its cgroup is NAME below the test's. `more`: what config.json has besides; process.args at least.
    void make(const std::string& name, const nlohmann::json& more);
    [[nodiscard]] Process start(const std::string& name) const; // in the foreground
    ProcessResult crun(const std::string& words) const;
    // "run --detach", "delete --force"
    ProcessResult run_detached(const std::string& name) const;
    ProcessResult remove(const std::string& name) const;
    [[nodiscard]] const std::string& directory() const { return directory_; }

  private:
    [[nodiscard]] std::vector<std::string> command(const std::string& words) const;
    [[nodiscard]] std::string bundle(const std::string& name) const;

    const Netns& netns_;
    const Cgroup& cgroup_;
    std::string directory_, notes_;
    std::vector<std::string> names_;
};

// Of http://127.0.0.1:PORT/, as curl has it: "200"; "000": no answer.
std::string http_status(const Netns& netns, std::uint16_t port);

#define REQUIRE_CONTAINERS()                                                                       \
    do {                                                                                           \
        REQUIRE_PROGRAM("crun");                                                                   \
        REQUIRE_PROGRAM("curl");                                                                   \
        if (::access("/bin/busybox", X_OK) != 0) GTEST_SKIP() << "needs a static /bin/busybox";    \
    } while (false)

} // namespace bpfport::test
