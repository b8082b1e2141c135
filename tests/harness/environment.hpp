// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a test needs of the machine; without it, the test is skipped and says what is missing.
#pragma once

#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "harness/link.hpp"
#include "harness/process.hpp"

namespace bpfport::test {

inline bool kernel_at_least(unsigned major, unsigned minor) {
    utsname name{};
    unsigned have_major = 0;
    unsigned have_minor = 0;
    return ::uname(&name) == 0 &&
           std::sscanf(name.release, "%u.%u", &have_major, &have_minor) == 2 &&
           std::pair(have_major, have_minor) >= std::pair(major, minor);
}

} // namespace bpfport::test

#define REQUIRE_ROOT()                                                                             \
    do {                                                                                           \
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";                                        \
    } while (false)

#define REQUIRE_KERNEL(major, minor)                                                               \
    do {                                                                                           \
        if (!::bpfport::test::kernel_at_least((major), (minor)))                                   \
            GTEST_SKIP() << "needs Linux " << (major) << '.' << (minor);                           \
    } while (false)

#define REQUIRE_PROGRAM(name)                                                                      \
    do {                                                                                           \
        if (!::bpfport::test::have_program(name)) GTEST_SKIP() << "needs the program " << (name);  \
    } while (false)

#define REQUIRE_LINK_TYPE(type)                                                                    \
    do {                                                                                           \
        if (!::bpfport::test::have_link_type(type))                                                \
            GTEST_SKIP() << "the kernel has no network devices of type " << (type);                \
    } while (false)
