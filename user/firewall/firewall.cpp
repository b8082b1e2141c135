// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "firewall/firewall.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "firewall/match.hpp"

namespace bpfport {

namespace {

// What becomes of a packet in a chain. kContinues: it came to the end, or a return.
enum class Fate { kContinues, kAccepted, kDropped, kCantTell };
struct Outcome {
    Fate fate = Fate::kContinues;
    std::string why;
};

bool ends_chain(FirewallAction action) {
    return action == FirewallAction::kReturn || action == FirewallAction::kGoto;
}

// One packet's way through the chains. What a chain does to it is found once, however many rules
// jump there: the ways through a rule set are more than its rules by orders of magnitude.
class Walk {
  public:
    Walk(const Firewall& firewall, const Arrival& arrival) : arrival_(arrival) {
        for (const auto& chain : firewall) chains_.emplace(name_of(chain, chain.name), &chain);
    }

    Outcome through(const FirewallChain& chain, unsigned depth = 0);

  private:
    using Name = std::tuple<std::string_view, std::string_view, std::string_view>;
    static Name name_of(const FirewallChain& place, std::string_view name) {
        return {place.family, place.table, name};
    }

    Outcome act(const FirewallChain& chain, const FirewallRule& rule, unsigned depth);
    Outcome jump(const FirewallChain& from, const FirewallRule& rule, unsigned depth,
                 const std::string& why);

    const Arrival& arrival_;
    std::map<Name, const FirewallChain*> chains_;
    std::map<const FirewallChain*, Outcome> known_; // of chains that are reached by jumps
};

// What the rule's action does, once it matches.
Outcome Walk::act(const FirewallChain& chain, const FirewallRule& rule, unsigned depth) {
    std::string why = fmt::format("{}: {}", chain.to_string(), rule.text);
    switch (rule.action) {
    case FirewallAction::kAccept:
        return {Fate::kAccepted, why};
    case FirewallAction::kDrop:
        return {Fate::kDropped, why};
    case FirewallAction::kNat: // a new destination: where it goes from here is not known
    case FirewallAction::kUnknown:
        return {Fate::kCantTell, why};
    case FirewallAction::kJump:
    case FirewallAction::kGoto:
        return jump(chain, rule, depth, why);
    case FirewallAction::kNothing:
    case FirewallAction::kReturn:
        return {};
    }
    return {};
}

Outcome Walk::jump(const FirewallChain& from, const FirewallRule& rule, unsigned depth,
                   const std::string& why) {
    auto next = chains_.find(name_of(from, rule.chain));
    if (next == chains_.end() || depth == kDeepestJump) return {Fate::kCantTell, why};
    // Until its end is known: a chain that leads back to itself, which no kernel takes.
    auto [known, is_new] = known_.try_emplace(next->second, Outcome{Fate::kCantTell, why});
    if (is_new) known->second = through(*next->second, depth + 1);
    return known->second;
}

Outcome Walk::through(const FirewallChain& chain, unsigned depth) {
    std::vector<Outcome> possible; // if a rule that may match does
    Outcome last;
    for (const auto& rule : chain.rules) {
        Match matched = match(rule, arrival_);
        if (matched == Match::kNo) continue;
        Outcome outcome = act(chain, rule, depth);
        bool decides = outcome.fate != Fate::kContinues || ends_chain(rule.action);
        if (!decides) continue;
        if (matched == Match::kYes) {
            last = outcome;
            break;
        }
        possible.push_back(outcome);
    }
    if (last.fate == Fate::kContinues && depth == 0 && chain.drops)
        last = {Fate::kDropped, fmt::format("{}: policy drop", chain.to_string())};
    auto accepted = [](Fate fate) { return fate == Fate::kContinues || fate == Fate::kAccepted; };
    for (const auto& other : possible) {
        bool same = depth == 0 && accepted(other.fate) && accepted(last.fate);
        if (!same && other.fate != last.fate)
            return {Fate::kCantTell,
                    other.why.empty() ? fmt::format("{}: a return", chain.to_string()) : other.why};
    }
    return last;
}

// In the order in which a packet for this host meets them.
constexpr std::string_view kHooks[] = {"ingress", "prerouting", "input"};

} // namespace

std::string FirewallChain::to_string() const {
    return fmt::format("{} {} {}", family, table, name);
}

Judgement judge(const Firewall& firewall, const Arrival& arrival) {
    Judgement unsure;
    Walk walk(firewall, arrival);
    for (std::string_view hook : kHooks)
        for (const auto& chain : firewall) {
            if (chain.hook != hook || !family_matches(chain, arrival)) continue;
            if (chain.type == "nat" && hook == "prerouting") continue; // nat_rules() tells
            Outcome outcome = walk.through(chain);
            if (outcome.fate == Fate::kDropped) return {FirewallVerdict::kDropped, outcome.why};
            if (outcome.fate == Fate::kCantTell && unsure.why.empty())
                unsure = {FirewallVerdict::kCantTell, outcome.why};
        }
    return unsure;
}

} // namespace bpfport
