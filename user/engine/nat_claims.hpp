// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// NAT rules that give the listen ports of a rule away, or its target ports, as a published container's
// do. Pure.
#pragma once

#include <string>
#include <vector>

#include "engine/plan.hpp"
#include "facts/network_view.hpp"
#include "firewall/nat.hpp"

namespace bpfport {

struct NatClaim {
    std::uint16_t port = 0;
    NatRule nat;
    bool first = false; // NAT comes before the rule, so what it takes never comes here

    [[nodiscard]] std::string to_string() const; // what becomes of clients, with NAT's rule
};
std::vector<NatClaim> nat_claims(const RuleSpec& rule, const NetworkView& view);

// The target port is a container's: NAT sends on what tc or xdp redirect from outside, and the
// container's replies, which this host forwards, are on no record. sklookup is before NAT, and needs a
// program (docker-proxy is one) to steer to.
struct TargetClaim {
    std::uint16_t port = 0;
    NatRule nat;
    bool steered = false;

    [[nodiscard]] std::string to_string() const; // what becomes of clients, with NAT's rule
};
std::vector<TargetClaim> target_claims(const RuleSpec& rule, const ListenerIndex& listeners,
                                       const NetworkView& view);

// This host's addresses that clients of a rule who come by an interface (0: by any) may ask.
std::vector<Address> asked_addresses(const RuleSpec& rule, unsigned ifindex, bool ipv6,
                                     const NetworkView& view);

// Refused: rules whose port NAT redirects. Claims that depend on the client are none.
Result<void> check_nat(const std::vector<RuleSpec>& added, const NetworkView& view);
// Refused: rules whose target NAT redirects, unless they forward.
Result<void> check_target_nat(const std::vector<RuleSpec>& fresh, const ListenerIndex& listeners,
                              const NetworkView& view);
// Both, of rules that are attached all the same (--force), and claims that depend on the client.
std::vector<Warning> nat_warnings(const std::vector<RuleSpec>& rules,
                                  const ListenerIndex& listeners, const NetworkView& view);

} // namespace bpfport
