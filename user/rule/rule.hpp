// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rule: listen port(s) -> target port(s), written as Docker writes a published port:
//     [ADDR[/LENGTH]:]PORT[-PORT]:TARGET[-TARGET][/tcp|/udp|/tcp+udp]    tcp by default, IPv6 in brackets
//     [ADDR[/LENGTH]:]PORT-PORT:=TARGET[/tcp|/udp|/tcp+udp]              every listen port to one target
// and behind either @CLIENTS (rule/client_set.hpp), for some clients only. A target may be a list,
//     80:3000*95,4000*5
// which is a rule for each of its targets: they share the listen port's new connections by weight.
// A rule is checked once, when it is made: every Rule is a valid one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
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
    "[ADDR[/LENGTH]:]PORT[-PORT]:[=]TARGET[-TARGET][*WEIGHT,...][/PROTO][@CLIENTS]";

class Rule {
  public:
    // For rules that do not come from text, such as those read back from the kernel; same checks. Of
    // one listen port both mappings are the same rule.
    static Result<Rule> make(std::optional<Prefix> local, PortRange listen, PortRange target,
                             Protocol protocol, PortMapping mapping = PortMapping::kOneToOne);
    // The same rule for these clients.
    [[nodiscard]] Rule with_clients(ClientSet clients) const;
    // The same rule with this weight, or with none.
    [[nodiscard]] Rule with_weight(std::optional<std::uint16_t> weight) const;

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
    // Its part of the new connections, of the sum of the weights of the rules that share its listen ports.
    // nullopt: it gets all, and shares them with no rule.
    [[nodiscard]] std::optional<std::uint16_t> weight() const { return weight_; }
    // Both have a weight, and listen for the same.
    [[nodiscard]] bool shares_with(const Rule& other) const;
    // What it listens for. Rules with the same are one rule with another target, or share by weight.
    using Listens = std::tuple<Protocol, PortRange, std::optional<Prefix>, ClientSet>;
    [[nodiscard]] Listens listens() const { return {protocol_, listen_, local_, clients_}; }

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
    // 80:3000@198.51.100.0/24, 80:3000*95.
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
    std::optional<std::uint16_t> weight_;
};

// "192.0.2.0/24:" or "[2001:db8::1]:", as a rule begins; empty without an address.
std::string local_text(const std::optional<Prefix>& local);

// One rule for each target, and each protocol of /tcp+udp.
Result<std::vector<Rule>> parse_rules(std::string_view text);

} // namespace bpfport
