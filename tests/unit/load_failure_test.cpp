// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// LoadFailure on what libbpf said: causes that can't be had on every kernel, and logs as they were.
#include "kernel/load_failure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bpfport::test {
namespace {

using testing::HasSubstr;

std::string log_of(const std::string& lines) {
    return "libbpf: prog 'bp_tc_in': BPF program load failed: Permission denied\n"
           "libbpf: prog 'bp_tc_in': -- BEGIN PROG LOAD LOG --\n" +
           lines +
           "-- END PROG LOAD LOG --\n"
           "libbpf: prog 'bp_tc_in': failed to load: -13\n"
           "libbpf: failed to load object 'tc_helper_bpf'\n";
}

TEST(LoadFailure, TheLastLinesThatMatter) {
    const auto failure = explain_load("tc_helper", EACCES, log_of(R"(0: R1=ctx(off=0,imm=0) R10=fp0
; first = skb->data @ tc.bpf.c:10
0: (61) r2 = *(u32 *)(r1 +76)
; return data[100]; @ tc.bpf.c:12
1: (71) r0 = *(u8 *)(r2 +100)
invalid access to packet, off=100 size=1, R2(id=0,off=100,r=0)
R2 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
)"));
    EXPECT_EQ(failure.refusal, LoadRefusal::kVerifier);
    EXPECT_EQ(failure.detail, "; return data[100]; @ tc.bpf.c:12\n"
                              "1: (71) r0 = *(u8 *)(r2 +100)\n"
                              "invalid access to packet, off=100 size=1, R2(id=0,off=100,r=0)\n"
                              "R2 offset is outside of the packet");
    EXPECT_THAT(failure.error().message,
                testing::StartsWith("object tc_helper: program bp_tc_in: the kernel's verifier "
                                    "refuses it: R2 offset is outside of the packet\n"
                                    "    ; return data[100]; @ tc.bpf.c:12\n    1: (71)"));
}

TEST(LoadFailure, ALogWithoutEnd) { // a kernel of before 6.4 cuts it
    const auto failure = explain_load("xdp", EACCES,
                                      "libbpf: prog 'bp_xdp_in': BPF program load failed: x\n"
                                      "libbpf: prog 'bp_xdp_in': -- BEGIN PROG LOAD LOG --\n"
                                      "12: (85) call x\nR1 is bad");
    EXPECT_EQ(failure.reason, "R1 is bad");
    EXPECT_EQ(failure.refusal, LoadRefusal::kVerifier);
}

TEST(LoadFailure, TooComplex) {
    const auto failure = explain_load("sklookup", E2BIG,
                                      log_of("9: (07) r1 += 1\n"
                                             "BPF program is too large. Processed 1000001 insn\n"
                                             "processed 1000001 insns (limit 1000000)\n"));
    EXPECT_EQ(failure.refusal, LoadRefusal::kTooComplex);
    EXPECT_THAT(failure.error().hint, HasSubstr("another clang"));
}

TEST(LoadFailure, NoDescriptionOfTypes) {
    const auto failure = explain_load("tc_direct", ESRCH,
                                      "libbpf: Error loading vmlinux BTF: -3\n"
                                      "libbpf: failed to load object 'tc_direct_bpf'\n");
    EXPECT_EQ(failure.refusal, LoadRefusal::kNoBtf);
    EXPECT_THAT(failure.error().hint, HasSubstr("CONFIG_DEBUG_INFO_BTF"));
}

TEST(LoadFailure, NoProgramType) {
    const auto failure =
        explain_load("sklookup", EINVAL,
                     "libbpf: prog 'bp_lookup': BPF program load failed: Invalid argument\n"
                     "libbpf: prog 'bp_lookup': failed to load: -22\n");
    EXPECT_EQ(failure.refusal, LoadRefusal::kFeature);
    EXPECT_THAT(failure.error().message, HasSubstr("program bp_lookup"));
}

TEST(LoadFailure, NoMemory) {
    const auto failure =
        explain_load("cgroup", ENOMEM,
                     "libbpf: map 'bp_calls': failed to create: Cannot allocate memory(-12)\n");
    EXPECT_EQ(failure.refusal, LoadRefusal::kMemory);
    EXPECT_EQ(failure.part, "map bp_calls");
}

TEST(LoadFailure, EvenNothingIsNotAlone) {
    const auto error = explain_load("guard", EACCES, "").error();
    EXPECT_EQ(error.message, "object guard: not allowed: Permission denied");
    EXPECT_FALSE(error.hint.empty());
}

TEST(LoadFailure, WhatCompiledAnObject) {
    using namespace std::string_literals;
    const auto bytes = "x\0bpfport compiler: Debian Clang 16.0.6 (1) \0y"s;
    EXPECT_EQ(compiler_of(bytes.data(), bytes.size()), "Debian Clang 16.0.6 (1)");
    EXPECT_EQ(compiler_of(bytes.data(), 5), "an unknown compiler");
}

} // namespace
} // namespace bpfport::test
