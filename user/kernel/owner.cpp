// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/owner.hpp"

#include <pwd.h>

#include <charconv>

#include <fmt/format.h>

#include "kernel/cgroup_lookup.hpp"
#include "kernel/process.hpp"

namespace bpfport {

std::string Owner::to_string() const {
    return user ? fmt::format("user {}", user_name(*user)) : fmt::format("cgroup {}", cgroup.path);
}

Result<Owner> parse_owner(std::string_view text) {
    constexpr auto kForm = "an owner is a user (www-data, 33) or a cgroup (cgroup:/web.slice, "
                           "unit:web, container:ID, user:deploy)";
    if (text.find(':') != text.npos || text.starts_with('/')) {
        auto scope = parse_scope(text);
        if (!scope) return std::unexpected(scope.error());
        auto cgroup = find_cgroup(*scope);
        if (!cgroup) return std::unexpected(cgroup.error());
        return Owner{std::nullopt, *cgroup};
    }
    uid_t uid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (error == std::errc{} && end == text.data() + text.size()) return Owner{uid, {}};
    const passwd* user = getpwnam(std::string(text).c_str());
    if (!user) return usage_error(fmt::format("no user {:?}", text), kForm);
    return Owner{user->pw_uid, {}};
}

} // namespace bpfport
