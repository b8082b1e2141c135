// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Firewall: what packet filters do to the first packet of a connection, as far as it can be told
// from their rules. Read from nft and iptables into one form, then judged. Pure functions.
//
// A rule that is certain to match decides; one that depends on what is not known of the client (its
// address, a rate) makes the answer "can't tell" when it would change it. Never more than that is
// claimed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/prefix.hpp"
#include "rule/rule.hpp"

namespace bpfport {

enum class FirewallAction { kNothing, kAccept, kDrop, kJump, kGoto, kReturn, kNat, kUnknown };

struct PortMatch {
    PortList ports;
    bool negated = false;
};

struct AddressMatch {
    std::vector<Prefix> prefixes;
    bool negated = false;
};

// Where NAT sends what it takes.
struct NatTarget {
    bool this_host = false;         // redirect, tproxy: another port here
    std::optional<Address> address; // dnat, when it is one address
    bool operator==(const NatTarget&) const = default;
};

struct FirewallRule {
    std::string text;                     // for messages: "tcp dport 80 accept"
    std::optional<Protocol> protocol;     // nullopt: any
    std::optional<bool> ipv6;             // nullopt: both
    std::optional<PortMatch> ports;       // destination
    std::optional<AddressMatch> to;       // destination
    std::optional<std::string> interface; // of arrival; ends in '*' or '+': a prefix
    bool interface_negated = false;
    std::optional<std::string> out; // of departure: lo, when this host sends it to itself
    bool out_negated = false;
    bool never = false; // no new connection of TCP or UDP: established only, ICMP, source port ...
    bool uncertain = false; // has conditions that can't be judged here
    FirewallAction action = FirewallAction::kNothing;
    std::string chain; // of a jump or goto
    NatTarget nat_to;
};

struct FirewallChain {
    std::string family; // ip, ip6, inet, netdev, bridge, arp
    std::string table;
    std::string name;
    std::string type;   // filter, nat, route; empty: no base chain
    std::string hook;   // input, prerouting, ingress ...; empty: reached by jumps only
    std::string device; // of a netdev chain
    bool drops = false; // its policy
    std::vector<FirewallRule> rules;

    [[nodiscard]] std::string to_string() const; // "inet filter input"
};

using Firewall = std::vector<FirewallChain>;

// `nft -j list ruleset`; `iptables-save` or `ip6tables-save`. What is not understood makes a rule
// uncertain; only text that is no such listing at all is an error.
Result<Firewall> parse_nft(std::string_view json);
Firewall parse_iptables_save(std::string_view text, bool ipv6);

// A packet that opens a connection, as the firewall sees it.
struct Arrival {
    Protocol protocol = Protocol::kTcp;
    std::uint16_t port = 0;
    std::string interface; // empty: this host sends it, to itself
    bool ipv6 = false;
    std::vector<Address> to{}; // one of these, which are all of this host's; empty: not known
};

enum class FirewallVerdict { kPasses, kDropped, kCantTell };
struct Judgement {
    FirewallVerdict verdict = FirewallVerdict::kPasses;
    std::string why; // "inet filter input: policy drop"; empty when nothing stands in the way
};

// Whether it reaches a socket of this host.
Judgement judge(const Firewall& firewall, const Arrival& arrival);

} // namespace bpfport
