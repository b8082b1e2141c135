// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the verifier says of each program: that it loads as every installed clang compiles it, and how
// near the one that ships is to the kernel's limits, printed so that growth is seen, in every kernel
// that the tests run in:
//
//   prog_tests --gtest_filter='*Verifier*'
//   vmtests/run.sh -- --gtest_filter='*Verifier*'     # ends with a table of all kernels
//
// walked   instructions the verifier went through, over all paths; it gives up at 1,000,000
// states   what it remembered of them, over all paths
// stack    bytes of each function's frame; 512 is the limit for those that call each other
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/cgroup_object.hpp"
#include "harness/environment.hpp"

namespace bpfport::test {
namespace {

constexpr std::uint32_t kStatistics = 4; // BPF_LOG_STATS
// Of the kernel's 1,000,000, so that loading takes milliseconds. Old verifiers prune less.
constexpr int kMostWalked = 50'000;

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

// The bytes of a constant, which the verifier takes as given; throws if the object has none.
void* constant(bpf_object* object, std::string_view name) {
    const btf* types = bpf_object__btf(object);
    const btf_type* section =
        btf__type_by_id(types, static_cast<__u32>(btf__find_by_name(types, ".rodata")));
    std::size_t size = 0;
    bpf_map* map = bpf_object__find_map_by_name(object, ".rodata");
    auto* bytes = static_cast<char*>(const_cast<void*>(bpf_map__initial_value(map, &size)));
    for (int i = 0; section && i < btf_vlen(section); ++i) {
        const btf_var_secinfo& variable = btf_var_secinfos(section)[i];
        const btf_type* type = btf__type_by_id(types, variable.type);
        if (name == btf__name_by_offset(types, type->name_off)) return bytes + variable.offset;
    }
    throw std::runtime_error(fmt::format("no constant {}", name));
}

void set(bpf_object* object, std::string_view name, bool value) {
    std::memcpy(constant(object, name), &value, sizeof(value));
}

// An object with the constants that user/engine gives it, which decide what the verifier walks.
struct Shipped {
    const char* name;
    unsigned since[2]; // the kernel that loads it
    void (*prepare)(bpf_object*, bool mptcp);
    const char* variant = ""; // of the object's constants
};

void nothing(bpf_object*, bool) {}

const Shipped kShipped[] = {
    {"maps", {5, 10}, nothing},
    {"tc_direct", {6, 2}, nothing},
    {"tc_helper", {5, 10}, nothing},
    {"xdp",
     {5, 10},
     [](bpf_object* object, bool) {
         if (!kernel_at_least(5, 18)) return;
         struct { // as in bpf/xdp.bpf.c
             std::uint8_t address[6];
             bool frags;
         } const device{{}, true};
         std::memcpy(constant(object, "bp_xdp_device"), &device, sizeof(device));
         bpf_program* program = bpf_object__find_program_by_name(object, "bp_xdp_in");
         bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
     }},
    {"sklookup",
     {5, 15},
     [](bpf_object* object, bool) {
         set(object, "bp_has_ifindex", kernel_at_least(5, 17));
         set(object, "bp_has_loop", kernel_at_least(5, 17));
     }},
    {"sklookup", {5, 15}, nothing, "before_5_17"},
    {"exclusive",
     {5, 10},
     [](bpf_object* object, bool) { set(object, "bp_has_ifindex", kernel_at_least(5, 17)); }},
    {"original_dst", {5, 15}, nothing},
    {"cgroup",
     {5, 10},
     [](bpf_object* object, bool mptcp) {
         set(object, "bp_can_grant", kernel_can_grant());
         set(object, "bp_mptcp", mptcp);
     }},
    {"local_clients",
     {5, 10},
     [](bpf_object* object, bool mptcp) { set(object, "bp_mptcp", mptcp); }},
    {"guard",
     {5, 10},
     [](bpf_object* object, bool) { set(object, "bp_has_set_retval", kernel_can_say_why()); }},
};

// An object below BPFPORT_OBJECTS: the one that ships, or the same by another compiler.
struct Compiled {
    std::string directory; // "", or clang-<version>
    Shipped shipped;
};

std::vector<Compiled> compiled_by(const std::vector<std::string>& directories) {
    std::vector<Compiled> all;
    for (const std::string& directory : directories)
        for (const Shipped& shipped : kShipped) all.push_back({directory, shipped});
    return all;
}

std::vector<std::string> compilers() {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(BPFPORT_OBJECTS, ignored))
        if (entry.is_directory() && entry.path().filename().string().starts_with("clang-"))
            names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

std::string test_name(const testing::TestParamInfo<Compiled>& info) {
    std::string name = info.param.directory;
    std::ranges::replace(name, '-', '_');
    const Shipped& shipped = info.param.shipped;
    for (const std::string_view part : {shipped.name, shipped.variant})
        if (!part.empty()) name += (name.empty() ? "" : "_") + std::string(part);
    return name;
}

class Verifier : public testing::TestWithParam<Compiled> {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        REQUIRE_KERNEL(GetParam().shipped.since[0], GetParam().shipped.since[1]);
    }

    // Loads it with the verifier's statistics, or its reason to refuse, in logs_; the error, or 0.
    int load_with(bool mptcp) {
        const Shipped& shipped = GetParam().shipped;
        const std::string path =
            fmt::format("{}/{}/{}.bpf.o", BPFPORT_OBJECTS, GetParam().directory, shipped.name);
        object_.reset(bpf_object__open_file(path.c_str(), nullptr));
        if (!object_) return -errno;
        shipped.prepare(object_.get(), mptcp);
        logs_.clear();
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, object_.get()) {
            std::string& log = logs_[bpf_program__name(program)];
            log.resize(1U << 16U);
            bpf_program__set_log_level(program, kStatistics);
            bpf_program__set_log_buf(program, log.data(), log.size());
        }
        return bpf_object__load(object_.get());
    }

    // As the engine does where the kernel knows no Multipath TCP.
    void load() {
        const bool whole = load_with(true) == 0;
        if (!whole) {
            ASSERT_EQ(load_with(false), 0) << refusal();
        }
    }

    // The last words on the program that was refused.
    [[nodiscard]] std::string refusal() const {
        std::string all;
        for (const auto& [name, log] : logs_) {
            const std::string words = log.substr(0, log.find('\0'));
            if (!words.empty()) all = fmt::format("{}: {}", name, words);
        }
        return all.substr(all.size() - std::min<std::size_t>(all.size(), 600));
    }

    // One line for each program; none may come near the limit.
    void print_statistics() {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, object_.get()) {
            const char* name = bpf_program__name(program);
            bpf_prog_info info{};
            std::uint32_t size = sizeof(info);
            ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
            const std::string walked = after(logs_[name], "processed ");
            fmt::print("{:<24} {:>7} {:>7} {:>7} {:>7}  {}\n", name, walked,
                       after(logs_[name], "total_states "), info.xlated_prog_len / sizeof(bpf_insn),
                       info.jited_prog_len, after(logs_[name], "stack depth "));
            EXPECT_LT(std::atoi(walked.c_str()), kMostWalked) << name;
        }
    }

    std::unique_ptr<bpf_object, Close> object_;
    std::map<std::string, std::string> logs_;
};

TEST_P(Verifier, Accepts) {
    ASSERT_NO_FATAL_FAILURE(load());
    utsname kernel{};
    ::uname(&kernel);
    const auto& [directory, shipped] = GetParam();
    std::vector<std::string_view> words{directory, shipped.name, shipped.variant};
    std::erase(words, "");
    fmt::print("{:<24} {:>7} {:>7} {:>7} {:>7}  {}\n",
               fmt::format("{}, Linux {}", fmt::join(words, " "), kernel.release), "walked",
               "states", "xlated", "jited", "stack");
    print_statistics();
}

INSTANTIATE_TEST_SUITE_P(Shipped, Verifier, testing::ValuesIn(compiled_by({""})), test_name);
INSTANTIATE_TEST_SUITE_P(Compiler, Verifier, testing::ValuesIn(compiled_by(compilers())),
                         test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Verifier); // without clang-<version>

} // namespace
} // namespace bpfport::test
