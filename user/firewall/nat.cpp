// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A rule in a chain that no packet of this kind is sent to is none: Kubernetes keeps thousands.
#include "firewall/nat.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "firewall/match.hpp"

namespace bpfport {

namespace {

NatRules::ChainName name_of(const FirewallChain& place, std::string_view name) {
    return {place.family, place.table, name};
}

// One packet's way from a base chain.
class Search {
  public:
    Search(const NatRules::Chains& chains, const Arrival& arrival)
        : chains_(chains), arrival_(arrival) {}

    // True: no packet of this kind comes out at its end. `certain`: every client's packet comes in.
    bool through(const FirewallChain& chain, bool certain = true, unsigned depth = 0) {
        if (depth > kDeepestJump) return false;
        // Until its end is known: a chain that leads back to itself, which no kernel takes.
        auto [known, is_new] = known_.try_emplace({&chain, certain && !spared_}, false);
        if (is_new) known->second = walk(chain, certain, depth);
        return known->second;
    }

    std::vector<NatRule> found;

  private:
    bool walk(const FirewallChain& chain, bool certain, unsigned depth) {
        bool returned = false; // some clients' packets
        for (const auto& rule : chain.rules) {
            Match matched = match(rule, arrival_);
            if (matched == Match::kNo) continue;
            // To one of this host's addresses, if not to each, is certain enough.
            bool ends = act(chain, rule, certain && !rule.uncertain && !spared_, depth);
            if (rule.action == FirewallAction::kReturn) {
                if (matched == Match::kYes) return false;
                returned = true;
                certain = certain && !rule.uncertain;
            }
            bool leaves = ends || rule.action == FirewallAction::kGoto;
            if (matched == Match::kYes && leaves) return ends && !returned;
        }
        return false;
    }

    bool act(const FirewallChain& chain, const FirewallRule& rule, bool certain, unsigned depth) {
        switch (rule.action) {
        case FirewallAction::kNat:
            add({fmt::format("{}: {}", chain.to_string(), rule.text), certain, rule.nat_to});
            return true;
        case FirewallAction::kJump:
        case FirewallAction::kGoto: {
            auto next = chains_.find(name_of(chain, rule.chain));
            return next != chains_.end() && through(*next->second, certain, depth + 1);
        }
        case FirewallAction::kAccept:
        case FirewallAction::kDrop:
            spared_ = spared_ || rule.uncertain;
            return true;
        default:
            return false;
        }
    }

    void add(NatRule rule) {
        auto same = std::ranges::find(found, rule.text, &NatRule::text);
        if (same == found.end())
            found.push_back(std::move(rule));
        else
            same->certain = same->certain || rule.certain;
    }

    const NatRules::Chains& chains_;
    const Arrival& arrival_;
    std::map<std::pair<const FirewallChain*, bool>, bool> known_;
    bool spared_ = false; // some clients' packets went no further, in this chain or one before
};

bool has_nat(const Firewall& firewall) {
    return std::ranges::any_of(firewall, [](const FirewallChain& chain) {
        return std::ranges::find(chain.rules, FirewallAction::kNat, &FirewallRule::action) !=
               chain.rules.end();
    });
}

} // namespace

NatRules::NatRules(const Firewall& firewall) {
    if (!has_nat(firewall)) return;
    for (const auto& chain : firewall) {
        chains_.emplace(name_of(chain, chain.name), &chain);
        if (chain.hook == "output" || chain.hook == "prerouting") bases_.push_back(&chain);
    }
}

std::vector<NatRule> NatRules::of(const Arrival& arrival) const {
    std::string_view hook = arrival.interface.empty() ? "output" : "prerouting";
    std::vector<NatRule> found;
    for (const FirewallChain* chain : bases_) {
        if (chain->hook != hook || !family_matches(*chain, arrival)) continue;
        Search search(chains_, arrival); // what one table accepts still comes to the next
        search.through(*chain);
        for (auto& rule : search.found)
            if (std::ranges::find(found, rule) == found.end()) found.push_back(std::move(rule));
    }
    return found;
}

} // namespace bpfport
