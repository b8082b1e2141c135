// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rule: listen port(s) -> target port(s), written as Docker writes a published port:
//     [ADDR[/LENGTH]:]PORT[-PORT]:TARGET[-TARGET][/tcp|/udp|/tcp+udp]    tcp by default, IPv6 in brackets
//     [ADDR[/LENGTH]:]PORT-PORT:=TARGET[/tcp|/udp|/tcp+udp]              every listen port to one target
// and behind either @CLIENTS (rule/client_set.hpp), for some clients only.
// A rule is checked once, when it is made: every Rule is a valid one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/client_set.hpp"
#include "rule/port.hpp"
#include "rule/prefix.hpp"

namespace bpfport {

enum class Protocol : std::uint8_t { kTcp, kUdp };
std::string_view to_string(Protocol protocol); // "tcp", "udp"

// How a range of listen ports is sent to target ports.
enum class PortMapping : std::uint8_t { kOneToOne, kOneTarget };

inline constexpr std::string_view kRuleForm =
    "[ADDR[/LENGTH]:]PORT[-PORT]:[=]TARGET[-TARGET][/tcp|/udp|/tcp+udp][@CLIENTS]";

class Rule {
  public:
    // For rules that do not come from text, such as those read back from the kernel; same checks. Of
    // one listen port both mappings are the same rule.
    static Result<Rule> make(std::optional<Prefix> local, PortRange listen, PortRange target,
                             Protocol protocol, PortMapping mapping = PortMapping::kOneToOne);
    // The same rule for these clients.
    [[nodiscard]] Rule with_clients(ClientSet clients) const;

    // The local addresses it is for; nullopt: every address, IPv4 and IPv6.
    [[nodiscard]] const std::optional<Prefix>& local() const { return local_; }
    // Whether it is for this local address.
    [[nodiscard]] bool covers(const Address& address) const {
        return !local_ || local_->contains(address);
    }
    // The clients it is for.
    [[nodiscard]] const ClientSet& clients() const { return clients_; }
    [[nodiscard]] PortRange listen() const { return listen_; }
    [[nodiscard]] PortRange target() const { return target_; } // as long as listen(), or one port
    [[nodiscard]] Protocol protocol() const { return protocol_; }
    [[nodiscard]] bool one_target() const { return mapping_ == PortMapping::kOneTarget; }

    // Where a listen port goes, and how far that is from the first target port. `listen_port` is in
    // listen().
    [[nodiscard]] std::uint16_t target_of(std::uint16_t listen_port) const {
        return static_cast<std::uint16_t>(target_.first + offset_of(listen_port));
    }
    [[nodiscard]] unsigned offset_of(std::uint16_t listen_port) const {
        return one_target() ? 0 : listen_port - listen_.first;
    }

    // The shortest text that parse_rules() reads back as this rule: 80:3000,
    // [2001:db8::1]:443:8443/udp, 8000-8010:18000-18010, 192.0.2.0/24:8000-8010:=3000,
    // 80:3000@198.51.100.0/24.
    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const Rule&) const = default;

  private:
    Rule(std::optional<Prefix> local, PortRange listen, PortRange target, Protocol protocol,
         PortMapping mapping)
        : local_(local), listen_(listen), target_(target), protocol_(protocol), mapping_(mapping) {}

    std::optional<Prefix> local_;
    PortRange listen_;
    PortRange target_;
    Protocol protocol_;
    PortMapping mapping_;
    ClientSet clients_;
};

// "192.0.2.0/24:" or "[2001:db8::1]:", as a rule begins; empty without an address.
std::string local_text(const std::optional<Prefix>& local);

// One rule, or two for /tcp+udp.
Result<std::vector<Rule>> parse_rules(std::string_view text);

} // namespace bpfport
