// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Words of cgroups: grants ("80,443/udp") and rules whose target is ours to choose ("80:auto").
#include <algorithm>

#include "fuzz.hpp"
#include "rule/auto_target.hpp"
#include "rule/scope.hpp"
#include "state/policy.hpp"

namespace bpfport {

namespace {

void fuzz_grants(std::string_view text) {
    auto grants = parse_grants(text);
    if (!grants) return require_usage_error(grants.error());
    require(!grants->empty(), "a text is a grant", text);
    for (const Grant& grant : *grants) {
        require(grant.ports.first != 0, "no grant has port 0", text);
        require(grant.ports.first <= grant.ports.last, "ends are ordered", text);
        auto again = parse_grants(grant.to_string());
        require(again && again->size() == 1 && again->front().same(grant), "a grant is read back",
                text);
    }
}

void fuzz_auto(std::string_view text) {
    if (!is_auto_rule(text)) return;
    auto rules = parse_auto_rules(text);
    if (!rules) return require_usage_error(rules.error());
    require(looks_like_rule(text), "a rule looks like one", text);
    for (const AutoRule& rule : *rules) {
        auto again = parse_auto_rules(rule.to_string());
        require(again && again->size() == 1 && again->front().to_string() == rule.to_string(),
                "a rule is read back", text);
        const PortList taken{{12000, 13000}};
        auto whole = with_target(rule, taken, text.size());
        if (!whole) {
            require(rule.listen.size() > 1, "one free port is found", text);
            continue;
        }
        require(whole->listen() == rule.listen && whole->local() == rule.local &&
                    whole->protocol() == rule.protocol,
                "a target changes nothing else", text);
        require(!taken.front().overlaps(whole->target()), "what is taken is left alone", text);
    }
}

} // namespace

void fuzz(Bytes input) {
    fuzz_grants(text_of(input));
    fuzz_auto(text_of(input));
}

} // namespace bpfport
