// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/scope.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr std::string_view kScopeForm = "a scope is an interface name or pattern, any, "
                                        "cgroup:PATH, unit:NAME, container:ID, user:NAME or "
                                        "pid:N";

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kAlphanumeric =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

struct ScopePrefix {
    std::string_view text;
    Scope::Kind kind;
};
constexpr std::array<ScopePrefix, 6> kPrefixes{{
    {"dev:", Scope::Kind::kInterface},
    {"cgroup:", Scope::Kind::kCgroup},
    {"unit:", Scope::Kind::kUnit},
    {"container:", Scope::Kind::kContainer},
    {"user:", Scope::Kind::kUser},
    {"pid:", Scope::Kind::kPid},
}};

const ScopePrefix* prefix_of(std::string_view text) {
    auto found = std::ranges::find_if(
        kPrefixes, [&](const ScopePrefix& prefix) { return text.starts_with(prefix.text); });
    return found == kPrefixes.end() ? nullptr : &*found;
}

bool has_only(std::string_view text, std::string_view more) {
    return std::ranges::all_of(text, [&](char c) {
        return kAlphanumeric.find(c) != kAlphanumeric.npos || more.find(c) != more.npos;
    });
}

bool is_pattern(std::string_view name) { return name.find_first_of("*?[") != name.npos; }

// What the kernel accepts (net/core/dev.c, dev_valid_name), less the bytes that would spoil a
// terminal or a log.
Result<void> check_interface(std::string_view name) {
    auto is_bad = [](unsigned char c) { return c <= ' ' || c == '/' || c == ':' || c == 0x7f; };
    if (name.empty()) return usage_error("interface name is empty", std::string(kScopeForm));
    if (name == "." || name == ".." || std::ranges::any_of(name, is_bad))
        return usage_error("not an interface name", std::string(kScopeForm));
    return {};
}

Result<std::string> parse_interface(std::string_view name) {
    constexpr std::size_t kMaxLength = 15; // IFNAMSIZ less the NUL
    if (name.size() > kMaxLength)
        return usage_error(fmt::format("interface name has {} bytes", name.size()),
                           fmt::format("the kernel allows {}", kMaxLength));
    if (auto checked = check_interface(name); !checked) return std::unexpected(checked.error());
    return std::string(name);
}

Result<std::string> parse_pattern(std::string_view pattern) {
    constexpr std::size_t kMaxLength = 64; // brackets make it longer than the names it matches
    if (pattern.size() > kMaxLength)
        return usage_error(fmt::format("pattern has {} bytes", pattern.size()),
                           fmt::format("write at most {}", kMaxLength));
    if (auto checked = check_interface(pattern); !checked) return std::unexpected(checked.error());
    return std::string(pattern);
}

// One spelling for each path: no doubled or trailing '/'. ".." could lead out of the hierarchy.
Result<std::string> parse_cgroup(std::string_view path) {
    if (!path.starts_with('/'))
        return usage_error(fmt::format("cgroup path {:?} is not absolute", path),
                           fmt::format("write {:?}", fmt::format("cgroup:/{}", path)));
    if (path.find('\0') != path.npos)
        return usage_error("cgroup path holds a NUL byte", "write a path such as /web.slice");
    std::string result;
    for (std::size_t start = 1; start <= path.size();) {
        auto end = std::min(path.find('/', start), path.size());
        auto part = path.substr(start, end - start);
        if (part == "." || part == "..")
            return usage_error(fmt::format("cgroup path {:?} has a {:?} in it", path, part),
                               "write the path without it");
        if (!part.empty()) result.append("/").append(part);
        start = end + 1;
    }
    return result.empty() ? "/" : result;
}

Result<std::string> parse_unit(std::string_view name) {
    constexpr std::array kWithCgroup{".service", ".slice", ".scope", ".socket", ".mount", ".swap"};
    constexpr std::array kWithoutCgroup{".timer", ".target", ".path", ".device", ".automount"};
    constexpr std::size_t kMaxLength = 255;
    auto ends = [&](const char* suffix) { return name.ends_with(suffix); };
    auto whole =
        fmt::format("{}{}", name, std::ranges::any_of(kWithCgroup, ends) ? "" : ".service");
    if (name.empty() || whole.size() > kMaxLength || name.front() == '.' ||
        !has_only(name, ":-_.\\@"))
        return usage_error(fmt::format("{:?} is not the name of a systemd unit", name),
                           "write unit:nginx or unit:nginx.service");
    if (std::ranges::any_of(kWithoutCgroup, ends))
        return usage_error(fmt::format("unit {} has no processes", name),
                           "name the .service, .scope or .slice that they run in");
    return whole;
}

Result<std::string> parse_container(std::string_view id) {
    if (id.empty() || !has_only(id.substr(0, 1), "") || !has_only(id, "_.-"))
        return usage_error(fmt::format("{:?} is not a container's id or name", id),
                           "write it as docker ps, podman ps or crictl ps shows it");
    return std::string(id);
}

Result<std::string> parse_user(std::string_view name) {
    constexpr std::size_t kMaxLength = 255;
    if (name.empty() || name.size() > kMaxLength || !has_only(name.substr(0, 1), "_") ||
        !has_only(name, "_.-@$"))
        return usage_error(fmt::format("{:?} is not a user's name or id", name),
                           "write user:deploy or user:1000");
    return std::string(name);
}

Result<pid_t> parse_pid(std::string_view text) {
    constexpr pid_t kMax = 4 * 1024 * 1024; // include/linux/threads.h: PID_MAX_LIMIT
    pid_t pid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    bool whole = error == std::errc{} && end == text.data() + text.size();
    if (!whole || pid < 1 || pid > kMax || text.front() == '0')
        return usage_error(fmt::format("{:?} is not a process id", text),
                           fmt::format("write pid:N, N from 1 to {}", kMax));
    return pid;
}

} // namespace

bool Scope::matches(std::string_view interface) const {
    constexpr std::string_view kLoopback = "lo"; // served by the rules of all: named, or not meant
    if (kind_ == Kind::kInterface) return interface == name_;
    return kind_ == Kind::kPattern && interface != kLoopback &&
           fnmatch(name_.c_str(), std::string(interface).c_str(), 0) == 0;
}

std::string Scope::to_string() const {
    switch (kind_) {
    case Kind::kPattern:
        return name_;
    case Kind::kAny:
        return "any";
    case Kind::kPid:
        return fmt::format("pid:{}", pid_);
    case Kind::kCgroup:
        return "cgroup:" + name_;
    case Kind::kUnit:
        return "unit:" + name_;
    case Kind::kContainer:
        return "container:" + name_;
    case Kind::kUser:
        return "user:" + name_;
    case Kind::kInterface:
        break;
    }
    const bool ambiguous = name_ == "any" || looks_like_rule(name_) || is_pattern(name_);
    return (ambiguous ? "dev:" : "") + name_;
}

Result<Scope> parse_scope(std::string_view text) {
    auto fail = [&](const Error& error) { return context(fmt::format("scope {:?}", text), error); };
    if (text == "any") return Scope::any();
    if (looks_like_rule(text))
        return fail(
            usage_error("this is a rule, or the start of one", std::string(kScopeForm)).error());

    const ScopePrefix* prefix = prefix_of(text);
    auto rest = prefix ? text.substr(prefix->text.size()) : text;
    auto kind = prefix                  ? prefix->kind
                : text.starts_with('/') ? Scope::Kind::kCgroup
                : is_pattern(text)      ? Scope::Kind::kPattern
                                        : Scope::Kind::kInterface;
    if (kind == Scope::Kind::kPid) {
        auto pid = parse_pid(rest);
        if (!pid) return fail(pid.error());
        return Scope(kind, {}, *pid);
    }
    auto name = kind == Scope::Kind::kCgroup      ? parse_cgroup(rest)
                : kind == Scope::Kind::kUnit      ? parse_unit(rest)
                : kind == Scope::Kind::kContainer ? parse_container(rest)
                : kind == Scope::Kind::kUser      ? parse_user(rest)
                : kind == Scope::Kind::kPattern   ? parse_pattern(rest)
                                                  : parse_interface(rest);
    if (!name) return fail(name.error());
    return Scope(kind, std::move(*name), 0);
}

bool looks_like_rule(std::string_view word) {
    if (word.starts_with('/') || prefix_of(word)) return false;
    if (word.find(':') != word.npos) return true;
    auto ports = word.substr(0, word.find('/'));
    return !ports.empty() && kDigits.find(ports.front()) != kDigits.npos &&
           ports.find_first_not_of("0123456789-") == ports.npos;
}

} // namespace bpfport
