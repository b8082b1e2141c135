// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is said when capabilities are missing, for kernels and sets that this machine does not have.
#include "kernel/capabilities.hpp"

#include <gtest/gtest.h>

namespace bpfport {
namespace {

struct Case {
    const char* name;
    CapabilityFacts facts;
    const char* hint;
};

class Capabilities : public testing::TestWithParam<Case> {};

TEST_P(Capabilities, AreNamed) {
    EXPECT_EQ(capability_hint(kAttachCapabilities, GetParam().facts), GetParam().hint);
}

INSTANTIATE_TEST_SUITE_P(
    Sets, Capabilities,
    testing::Values(
        Case{"all", {{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON}}, ""},
        Case{"none",
             {},
             "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (missing: CAP_BPF, CAP_NET_ADMIN and "
             "CAP_PERFMON); try sudo"},
        Case{"bpf",
             {{CAP_NET_ADMIN, CAP_PERFMON}},
             "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (missing: CAP_BPF); try sudo"},
        Case{"sys_admin_covers", {{CAP_SYS_ADMIN, CAP_NET_ADMIN}}, ""},
        Case{"sys_admin_is_no_net_admin",
             {{CAP_SYS_ADMIN}},
             "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (missing: CAP_NET_ADMIN); try sudo"},
        Case{"before_5_8",
             {{CAP_NET_ADMIN}, false},
             "needs CAP_SYS_ADMIN and CAP_NET_ADMIN (missing: CAP_SYS_ADMIN); try sudo"},
        Case{"user_namespace",
             {{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON}, true, false},
             "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and those of a user namespace (a "
             "rootless container) do not count: run it on the host"}),
    [](const auto& instance) { return instance.param.name; });

TEST(Capabilities, OfThisProcessAgreeWithThemselves) {
    auto missing = missing_capabilities(kAttachCapabilities);
    auto required = require_capabilities(kAttachCapabilities);
    EXPECT_EQ(required.has_value(), missing.empty());
    if (!required) {
        EXPECT_FALSE(required.error().hint.empty());
    }
}

} // namespace
} // namespace bpfport
