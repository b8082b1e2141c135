// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/privileges.hpp"

#include <grp.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "kernel/process.hpp"

namespace bpfport {

namespace {

using CapabilityState = std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)>;

// Exec of a file gives uid 0 no capabilities; the bits can't be taken back.
constexpr unsigned long kNoRoot = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                  SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

Result<void> set_capabilities(std::span<const cap_value_t> values) {
    CapabilityState had(cap_get_proc(), cap_free);
    CapabilityState state(cap_init(), cap_free);
    for (cap_value_t value : values) {
        cap_flag_value_t flag = CAP_CLEAR;
        if (!CAP_IS_SUPPORTED(value) || cap_get_flag(had.get(), value, CAP_PERMITTED, &flag) != 0 ||
            flag != CAP_SET)
            continue;
        for (cap_flag_t set : {CAP_PERMITTED, CAP_EFFECTIVE})
            cap_set_flag(state.get(), set, 1, &value, CAP_SET);
    }
    if (cap_set_proc(state.get()) != 0) return system_error("set capabilities");
    return {};
}

Result<void> become(const User& user) {
    if (setgroups(0, nullptr) != 0) return system_error("leave all groups");
    if (setresgid(user.gid, user.gid, user.gid) != 0)
        return system_error(fmt::format("become group {}", user.gid));
    if (setresuid(user.uid, user.uid, user.uid) != 0)
        return system_error(fmt::format("become user {}", user.name));
    return {};
}

} // namespace

Result<void> empty_bounding_set() {
    for (cap_value_t value = 0; CAP_IS_SUPPORTED(value); ++value)
        if (cap_drop_bound(value) != 0) return system_error("drop the bounding set");
    return {};
}

Result<User> find_user(const std::string& name) {
    const passwd* entry = getpwnam(name.c_str());
    if (!entry) return usage_error(fmt::format("there is no user {}", name));
    return User{name, entry->pw_uid, entry->pw_gid};
}

Result<void> keep_only(std::span<const cap_value_t> capabilities, const User& user) {
    // With NO_SETUID_FIXUP capabilities stay over the change of user, until they are set below.
    if (prctl(PR_SET_SECUREBITS, kNoRoot) != 0) return system_error("set securebits");
    if (auto emptied = empty_bounding_set(); !emptied) return emptied;
    if (auto became = become(user); !became) return became;
    if (auto set = set_capabilities(capabilities); !set) return set;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("set no_new_privs");
    return {};
}

std::string Privileges::to_string() const {
    return fmt::format("user {}, {}", user,
                       capabilities.empty() ? "no capabilities"
                                            : fmt::format("{}", fmt::join(capabilities, " ")));
}

std::optional<Privileges> privileges_of(pid_t pid) {
    const auto process = find_process(pid);
    CapabilityState state(cap_get_pid(pid), cap_free);
    if (!process || !state) return std::nullopt;
    Privileges privileges{user_name(process->uid), {}};
    for (cap_value_t value = 0; CAP_IS_SUPPORTED(value); ++value) {
        cap_flag_value_t flag = CAP_CLEAR;
        if (cap_get_flag(state.get(), value, CAP_PERMITTED, &flag) != 0 || flag != CAP_SET)
            continue;
        std::unique_ptr<char, int (*)(void*)> name(cap_to_name(value), cap_free);
        std::string word = name ? name.get() : std::to_string(value);
        std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::toupper(c); });
        privileges.capabilities.push_back(std::move(word));
    }
    return privileges;
}

std::string describe_privileges() {
    const auto mine = privileges_of(getpid());
    return mine ? mine->to_string() : "privileges unknown";
}

} // namespace bpfport
