// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/capabilities.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

namespace {

bool in_initial_user_namespace() {
    constexpr ino_t kInitial = 0xEFFFFFFD; // include/linux/proc_ns.h: PROC_USER_INIT_INO
    struct stat status {};
    return ::stat("/proc/self/ns/user", &status) < 0 || status.st_ino == kInitial;
}

CapabilityFacts ask_kernel() {
    CapabilityFacts facts;
    std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> state(cap_get_proc(), cap_free);
    for (cap_value_t value = 0; state && CAP_IS_SUPPORTED(value); ++value) {
        cap_flag_value_t flag = CAP_CLEAR;
        if (cap_get_flag(state.get(), value, CAP_EFFECTIVE, &flag) == 0 && flag == CAP_SET)
            facts.effective.push_back(value);
    }
    facts.kernel_has_cap_bpf = CAP_IS_SUPPORTED(CAP_BPF);
    facts.initial_user_namespace = in_initial_user_namespace();
    return facts;
}

std::string names(std::span<const cap_value_t> values) {
    std::vector<std::string> words;
    for (cap_value_t value : values) {
        std::unique_ptr<char, int (*)(void*)> name(cap_to_name(value), cap_free);
        std::string word = name ? name.get() : std::to_string(value);
        std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::toupper(c); });
        words.push_back(std::move(word));
    }
    if (words.size() < 2) return fmt::format("{}", fmt::join(words, ""));
    auto last = std::move(words.back());
    words.pop_back();
    return fmt::format("{} and {}", fmt::join(words, ", "), last);
}

// What stands for the wanted ones on a kernel that knows no CAP_BPF and CAP_PERFMON.
CapabilityList known_to(const CapabilityFacts& facts, std::span<const cap_value_t> wanted) {
    CapabilityList result;
    for (cap_value_t value : wanted) {
        bool newer = value == CAP_BPF || value == CAP_PERFMON;
        if (newer && !facts.kernel_has_cap_bpf) value = CAP_SYS_ADMIN;
        if (std::ranges::find(result, value) == result.end()) result.push_back(value);
    }
    return result;
}

} // namespace

CapabilityList missing_capabilities(std::span<const cap_value_t> wanted,
                                    const CapabilityFacts& facts) {
    auto has = [&](cap_value_t value) {
        return std::ranges::find(facts.effective, value) != facts.effective.end();
    };
    CapabilityList missing = known_to(facts, wanted);
    std::erase_if(missing, [&](cap_value_t value) {
        bool covered = value == CAP_BPF || value == CAP_PERFMON;
        return has(value) || (covered && has(CAP_SYS_ADMIN));
    });
    return missing;
}

std::string capability_hint(std::span<const cap_value_t> wanted, const CapabilityFacts& facts) {
    auto needed = known_to(facts, wanted);
    auto missing = missing_capabilities(wanted, facts);
    if (!missing.empty())
        return fmt::format("needs {} (missing: {}); try sudo", names(needed), names(missing));
    if (!facts.initial_user_namespace)
        return fmt::format("needs {}, and those of a user namespace (a rootless container) do not "
                           "count: run it on the host",
                           names(needed));
    return {};
}

CapabilityList missing_capabilities(std::span<const cap_value_t> wanted) {
    return missing_capabilities(wanted, ask_kernel());
}

std::string capability_hint(std::span<const cap_value_t> wanted) {
    return capability_hint(wanted, ask_kernel());
}

Result<void> require_capabilities(std::span<const cap_value_t> wanted) {
    CapabilityFacts facts = ask_kernel();
    auto missing = missing_capabilities(wanted, facts);
    if (missing.empty()) return {};
    return failure(fmt::format("missing {}", names(missing)), capability_hint(wanted, facts));
}

} // namespace bpfport
