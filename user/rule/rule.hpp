// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rule: listen port(s) -> target port(s), written as Docker writes a published port:
//     [ADDR:]PORT[-PORT]:TARGET[-TARGET][/tcp|/udp|/tcp+udp]      tcp by default, IPv6 in brackets
// A rule is checked once, when it is made: every Rule is a valid one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/address.hpp"
#include "rule/port.hpp"

namespace bpfport {

enum class Protocol : std::uint8_t { kTcp, kUdp };
std::string_view to_string(Protocol protocol); // "tcp", "udp"

inline constexpr std::string_view kRuleForm =
    "[ADDR:]PORT[-PORT]:TARGET[-TARGET][/tcp|/udp|/tcp+udp]";

class Rule {
  public:
    // For rules that do not come from text, such as those read back from the kernel; same checks.
    static Result<Rule> make(std::optional<Address> local, PortRange listen, PortRange target,
                             Protocol protocol);

    // The local address it is for; nullopt: every address, IPv4 and IPv6.
    [[nodiscard]] const std::optional<Address>& local() const { return local_; }
    [[nodiscard]] PortRange listen() const { return listen_; }
    [[nodiscard]] PortRange target() const { return target_; } // as long as listen()
    [[nodiscard]] Protocol protocol() const { return protocol_; }

    // Where a listen port goes; ranges map one to one. `listen_port` is in listen().
    [[nodiscard]] std::uint16_t target_of(std::uint16_t listen_port) const {
        return static_cast<std::uint16_t>(target_.first + (listen_port - listen_.first));
    }

    // The shortest text that parse_rules() reads back as this rule: 80:3000,
    // [2001:db8::1]:443:8443/udp, 8000-8010:18000-18010.
    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const Rule&) const = default;

  private:
    Rule(std::optional<Address> local, PortRange listen, PortRange target, Protocol protocol)
        : local_(local), listen_(listen), target_(target), protocol_(protocol) {}

    std::optional<Address> local_;
    PortRange listen_;
    PortRange target_;
    Protocol protocol_;
};

// One rule, or two for /tcp+udp.
Result<std::vector<Rule>> parse_rules(std::string_view text);

} // namespace bpfport
