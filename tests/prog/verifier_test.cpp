// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Verifier statistics: how near each program is to the kernel's limits, printed so that growth is
// seen, in every kernel that the tests run in:
//
//   prog_tests --gtest_filter='*VerifierStatistics*'
//   vmtests/run.sh 5.10 newest -- --gtest_filter='*VerifierStatistics*'
//
// walked   instructions the verifier went through, over all paths; it gives up at 1,000,000
// stack    bytes of each function's frame; 512 is the limit for those that call each other
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "harness/environment.hpp"

namespace bpfport::test {
namespace {

constexpr std::uint32_t kStatistics = 4; // BPF_LOG_STATS
constexpr unsigned kLimit = 1'000'000;

struct Close {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
};

// The word after `label` in the verifier's log: "processed 812 insns", "stack depth 176+0+64".
std::string after(const std::string& log, std::string_view label) {
    const auto at = log.rfind(label);
    if (at == std::string::npos) return "?";
    const auto start = at + label.size();
    return log.substr(start, log.find_first_of(" \n", start) - start);
}

class VerifierStatistics : public testing::TestWithParam<const char*> {};

TEST_P(VerifierStatistics, AreWithinTheLimits) {
    REQUIRE_ROOT();
    const std::string path = fmt::format("{}/{}.bpf.o", BPFPORT_OBJECTS, GetParam());
    const std::unique_ptr<bpf_object, Close> object(bpf_object__open_file(path.c_str(), nullptr));
    ASSERT_TRUE(object) << path;
    std::map<std::string, std::string> logs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
        std::string& log = logs[bpf_program__name(program)];
        log.resize(1U << 16U);
        bpf_program__set_log_level(program, kStatistics);
        bpf_program__set_log_buf(program, log.data(), log.size());
    }
    if (const int error = bpf_object__load(object.get()); error != 0) {
        if (GetParam() == std::string_view("tc_direct") && !kernel_at_least(6, 2))
            GTEST_SKIP() << "direct writes need Linux 6.2";
        FAIL() << "load " << path << ": " << error;
    }

    utsname kernel{};
    ::uname(&kernel);
    fmt::print("{:<16} {:>8} {:>7} {:>7}  {}\n", fmt::format("{}, Linux {}", GetParam(), kernel.release),
               "walked", "xlated", "jited", "stack");
    bpf_object__for_each_program(program, object.get()) {
        bpf_prog_info info{};
        std::uint32_t size = sizeof(info);
        ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
        const std::string& log = logs[bpf_program__name(program)];
        const std::string walked = after(log, "processed ");
        fmt::print("{:<16} {:>8} {:>7} {:>7}  {}\n", bpf_program__name(program), walked,
                   info.xlated_prog_len / sizeof(bpf_insn), info.jited_prog_len,
                   after(log, "stack depth "));
        EXPECT_LT(std::atoi(walked.c_str()), kLimit / 2) << bpf_program__name(program);
    }
}

INSTANTIATE_TEST_SUITE_P(Object, VerifierStatistics, testing::Values("tc_direct", "tc_helper"),
                         [](const auto& object) { return std::string(object.param); });

} // namespace
} // namespace bpfport::test
