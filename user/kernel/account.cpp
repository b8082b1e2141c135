// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/account.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

namespace bpfport {

namespace {

Account with_groups(const passwd& entry) {
    Account account{entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell, {}};
    int count = 64;
    account.groups.resize(64);
    if (getgrouplist(entry.pw_name, entry.pw_gid, account.groups.data(), &count) < 0) {
        account.groups.resize(static_cast<std::size_t>(count));
        getgrouplist(entry.pw_name, entry.pw_gid, account.groups.data(), &count);
    }
    account.groups.resize(static_cast<std::size_t>(count));
    return account;
}

Account of_id(uid_t uid) {
    if (const passwd* entry = getpwuid(uid)) return with_groups(*entry);
    // The group of the same number may be any: sudo's, docker's.
    constexpr gid_t kNoGroup = 65534;
    Account account;
    account.uid = uid;
    account.gid = kNoGroup;
    return account;
}

bool parse_id(std::string_view text, uid_t& uid) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    return error == std::errc{} && end == text.data() + text.size();
}

Result<void> drop_capabilities() {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return system_error("clear ambient capabilities");
    std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> none(cap_init(), cap_free);
    if (!none || cap_set_proc(none.get()) != 0) return system_error("drop capabilities");
    return {};
}

void set_environment(const Account& account) {
    for (auto [name, value] : {std::pair{"HOME", &account.home},
                               {"SHELL", &account.shell},
                               {"USER", &account.name},
                               {"LOGNAME", &account.name}})
        if (!value->empty()) setenv(name, value->c_str(), 1);
}

} // namespace

Result<Account> find_account(std::string_view text) {
    if (uid_t uid = 0; parse_id(text, uid)) return of_id(uid);
    const passwd* entry = getpwnam(std::string(text).c_str());
    if (!entry) return usage_error(fmt::format("no user {:?}", text), "getent passwd lists them");
    return with_groups(*entry);
}

Result<Account> calling_account() {
    if (uid_t uid = getuid()) return of_id(uid);
    if (const char* sudo = getenv("SUDO_UID"))
        if (uid_t uid = 0; parse_id(sudo, uid)) return of_id(uid);
    if (const char* doas = getenv("DOAS_USER")) return find_account(doas);
    return usage_error("no user to run the command as", "--user NAME (root itself needs no grant)");
}

Result<void> become(const Account& account) {
    set_environment(account);
    if (setgroups(account.groups.size(), account.groups.data()) != 0)
        return system_error(fmt::format("take the groups of {}", account.name));
    if (setresgid(account.gid, account.gid, account.gid) != 0)
        return system_error(fmt::format("become group {}", account.gid));
    if (setresuid(account.uid, account.uid, account.uid) != 0)
        return system_error(fmt::format("become user {}", account.uid));
    return account.uid ? drop_capabilities() : Result<void>{};
}

} // namespace bpfport
