// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of the cgroup engine share: a namespace and a cgroup. At the end no program of bpfport
// may be left of the cgroup's removal, and the store goes with the test however it ends, since it
// holds programs on the root cgroup.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "harness/cgroup.hpp"
#include "harness/guardian.hpp"
#include "harness/in_cgroup.hpp"
#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {

class CgroupTest : public NetTest {
  protected:
    void SetUp() override;
    void TearDown() override;

    // `bpfport --netns NETNS ARGUMENTS...`
    ProcessResult bp(std::vector<std::string> arguments, const ProcessOptions& options = {}) const;
    // The same, expected to succeed.
    void must(std::vector<std::string> arguments) const;
    [[nodiscard]] std::string status() const; // JSON
    // The store's directories, sorted; "" when nothing is attached anywhere.
    [[nodiscard]] std::string entries() const;

    std::unique_ptr<Guardian> guardian;
    std::unique_ptr<Netns> netns;
    std::unique_ptr<Cgroup> cgroup;
};

// What bind() says to a process of that user without capabilities, in that cgroup or, with none, in
// ours: 0 or an errno.
struct Bind {
    const Cgroup* cgroup = nullptr;
    uid_t uid = kNobody;
    Endpoint at{};
    int type = SOCK_STREAM;
    int protocol = 0;
};
int bind_errno(const Netns& netns, const Bind& bind);

// One that `nobody` may execute, whatever PATH has first for root.
inline constexpr const char* kPython = "/usr/bin/python3";
#define REQUIRE_PYTHON()                                                                           \
    do {                                                                                           \
        if (::access(kPython, X_OK) != 0) GTEST_SKIP() << "needs " << kPython;                     \
    } while (false)

// Rules need getsockname hooks and the namespace's cookie (5.8), grants the bypass (5.12).
#define REQUIRE_RULES() REQUIRE_KERNEL(5, 8)
#define REQUIRE_GRANTS() REQUIRE_KERNEL(5, 12)

} // namespace bpfport::test
