// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/attach_network.hpp"

#include <algorithm>
#include <iterator>

#include "engine/nat_claims.hpp"
#include "engine/place.hpp"
#include "kernel/local_routes.hpp"

namespace bpfport {

Result<NetworkView> look_around(const HostFacts& facts, const FirewallReading& reading,
                                Plan& plan) {
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    auto local = local_prefixes();
    if (!local) return std::unexpected(local.error());
    if (!reading.unreadable.empty())
        plan.warnings.push_back(
            {"can't tell whether NAT gives a listen port away: " + reading.unreadable,
             "install nftables, or run as root"});
    return NetworkView{facts.interfaces, std::move(*addresses), std::move(*local), reading.firewall,
                       ipsec_policies()};
}

Result<void> check_network(const AttachRequest& request, const Plan& plan, const HostFacts& facts,
                           const NetworkView& network) {
    const auto changed = plan.changed();
    for (const auto& rule : changed)
        if (auto fits = refuse_place(rule, network); !fits) return fits;
    if (request.force) return {};
    auto claimed = check_nat(plan.added, network);
    return claimed ? check_target_nat(changed, ListenerIndex(facts.listeners), network) : claimed;
}

std::vector<Warning> network_warnings(const Plan& plan, const HostFacts& facts,
                                      const NetworkView& network) {
    const auto rules = plan.changed();
    auto warnings = nat_warnings(rules, ListenerIndex(facts.listeners), network);
    std::ranges::move(place_warnings(rules, network), std::back_inserter(warnings));
    return warnings;
}

std::string network_note(const Plan& plan, const NetworkView& network) {
    return unserved_note(plan.changed(), plan.rules, network);
}

void print_network(const Session& session, const Plan& plan, const HostFacts& facts,
                   const NetworkView& network) {
    print_warnings(session, network_warnings(plan, facts, network));
    print_note(session, network_note(plan, network));
}

} // namespace bpfport
