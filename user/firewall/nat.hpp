// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The NAT rules that a packet which opens a connection may come to and that would change its
// destination: those of prerouting, or of output when this host sends it, by jumps whose conditions
// it may fulfil. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "firewall/firewall.hpp"

namespace bpfport {

struct NatRule {
    std::string text;    // "ip nat DOCKER: tcp dport 80 dnat to 172.17.0.2"
    bool certain = true; // it does, for every client
    NatTarget to{};
    // The text says where to.
    bool operator==(const NatRule& other) const {
        return text == other.text && certain == other.certain;
    }
};

// Of many packets in turn. Holds references to the firewall.
class NatRules {
  public:
    explicit NatRules(const Firewall& firewall);

    [[nodiscard]] bool empty() const { return chains_.empty(); }
    [[nodiscard]] std::vector<NatRule> of(const Arrival& arrival) const;

    using ChainName = std::tuple<std::string_view, std::string_view, std::string_view>;
    using Chains = std::map<ChainName, const FirewallChain*>;

  private:
    Chains chains_; // empty: no rule does NAT
    std::vector<const FirewallChain*> bases_;
};

} // namespace bpfport
