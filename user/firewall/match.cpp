// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "firewall/match.hpp"

#include <algorithm>

namespace bpfport {

namespace {

bool interface_matches(std::string_view wanted, std::string_view name) {
    if (wanted.ends_with('*') || wanted.ends_with('+'))
        return name.starts_with(wanted.substr(0, wanted.size() - 1));
    return wanted == name;
}

bool ports_match(const PortMatch& match, std::uint16_t port) {
    bool inside =
        std::ranges::any_of(match.ports, [&](auto range) { return range.contains(port); });
    return inside != match.negated;
}

Match address_match(const AddressMatch& match, const std::vector<Address>& to) {
    if (to.empty()) return Match::kMaybe;
    auto inside = std::ranges::count_if(to, [&](const Address& address) {
        bool within = std::ranges::any_of(match.prefixes,
                                          [&](const Prefix& one) { return one.contains(address); });
        return within != match.negated;
    });
    if (inside == 0) return Match::kNo;
    return static_cast<std::size_t>(inside) == to.size() ? Match::kYes : Match::kMaybe;
}

} // namespace

Match match(const FirewallRule& rule, const Arrival& arrival) {
    if (rule.never) return Match::kNo;
    if (rule.protocol && *rule.protocol != arrival.protocol) return Match::kNo;
    if (rule.ipv6 && *rule.ipv6 != arrival.ipv6) return Match::kNo;
    if (rule.ports && !ports_match(*rule.ports, arrival.port)) return Match::kNo;
    if (rule.interface &&
        interface_matches(*rule.interface, arrival.interface) == rule.interface_negated)
        return Match::kNo;
    bool uncertain = rule.uncertain;
    if (rule.out && !arrival.interface.empty())
        uncertain = true;
    else if (rule.out && interface_matches(*rule.out, "lo") == rule.out_negated)
        return Match::kNo;
    Match to = rule.to ? address_match(*rule.to, arrival.to) : Match::kYes;
    return to == Match::kYes && uncertain ? Match::kMaybe : to;
}

bool family_matches(const FirewallChain& chain, const Arrival& arrival) {
    if (chain.family == "ip") return !arrival.ipv6;
    if (chain.family == "ip6") return arrival.ipv6;
    if (chain.family == "netdev") return chain.device == arrival.interface;
    return chain.family == "inet";
}

} // namespace bpfport
