// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Scope: where a rule holds.
//     NAME or dev:NAME    a network interface
//     PATTERN             those whose names match, as a shell matches files: eth*, wlan[01]; not lo
//     any                 every interface of the network namespace
//     cgroup:/PATH, /PATH a cgroup, by its path below the cgroup2 mount or from the root directory
//     unit:NAME           a systemd unit (.service by default)
//     container:ID        a container's id or name
//     user:NAME           all that a user runs: systemd's slice for it
//     pid:N               the cgroup of a process
// The kernel lets an interface be called "any", "80" or "eth*"; such a one is written dev:any, dev:80, dev:eth*. No
// interface name can hold a ':', so prefixes and rules are never mistaken for one.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace bpfport {

class Scope {
  public:
    enum class Kind : std::uint8_t {
        kInterface,
        kPattern,
        kAny,
        kCgroup,
        kUnit,
        kContainer,
        kUser,
        kPid
    };

    static Scope any() { return {Kind::kAny, {}, 0}; }

    [[nodiscard]] Kind kind() const { return kind_; }
    // Without prefix: interface name or pattern, cgroup path, unit name, container id, user; empty for any and pid.
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] pid_t pid() const { return pid_; } // 0 unless kPid
    // True when it stands for a cgroup (not for interfaces): the cgroup engine serves it.
    [[nodiscard]] bool is_cgroup() const {
        return kind_ != Kind::kInterface && kind_ != Kind::kPattern && kind_ != Kind::kAny;
    }
    // Whether it names this interface, or has a pattern for it.
    [[nodiscard]] bool matches(std::string_view interface) const;

    // The text that parse_scope() reads back as this scope: eth0, any, cgroup:/web.slice, pid:12.
    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const Scope&) const = default;

  private:
    friend Result<Scope> parse_scope(std::string_view text);
    Scope(Kind kind, std::string name, pid_t pid)
        : kind_(kind), name_(std::move(name)), pid_(pid) {}

    Kind kind_;
    std::string name_;
    pid_t pid_;
};

Result<Scope> parse_scope(std::string_view text);

// Tells the rules from the scopes of a command line ("attach eth0 wlan0 80:3000 443:8443/udp"):
// true when the word can only be meant as a rule, well-formed or not. "80" and "80-90/udp" count
// (rules that lack their target), so that the error speaks of the target and not of an interface
// "80".
bool looks_like_rule(std::string_view word);

} // namespace bpfport
