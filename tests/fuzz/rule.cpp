// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules: whatever is read is valid and is read back from what it prints; whatever is valid prints
// as something that is read.
#include "rule/rule.hpp"

#include <cstring>

#include "fuzz.hpp"
#include "rule/scope.hpp"

namespace bpfport {

namespace {

void require_valid(const Rule& rule) {
    PortRange listen = rule.listen(), target = rule.target();
    auto text = rule.to_string();
    require(listen.first != 0 && target.first != 0, "no rule has port 0", text);
    require(listen.first <= listen.last && target.first <= target.last, "ends are ordered", text);
    require(rule.one_target() ? listen.size() > 1 && target.size() == 1
                              : listen.size() == target.size(),
            "a range maps one to one, or to one port", text);
    require(!listen.overlaps(target), "a port is never both", text);
    require(rule.target_of(listen.last) == target.last, "the last port goes to the last", text);
    if (const auto& local = rule.local()) {
        require(*local == local->masked(), "a prefix has no bits behind its length", text);
        require(!local->address.is_multicast(), "a local address is a host's", text);
        require(!local->is_one_address() || !local->address.is_any(), "an address is one", text);
        require(rule.covers(local->address), "a prefix contains its first address", text);
        require(local->is_v4() || !rule.covers(*parse_address("192.0.2.1")),
                "an IPv6 prefix contains no IPv4 address", text);
    }
    require(is_printable(text), "a rule is printable", text);
    require(looks_like_rule(text), "a rule looks like one", text);
    require(!parse_scope(text), "a rule is no scope", text);

    auto again = parse_rules(text);
    require(again && again->size() == 1 && again->front() == rule,
            "what a rule prints is read as that rule", text);
}

// Of one text: for one protocol after the other the same targets, which share if there are several.
void require_siblings(const std::vector<Rule>& rules, std::string_view text) {
    const Rule& first = rules.front();
    const bool both = first.protocol() != rules.back().protocol();
    const std::size_t targets = both ? rules.size() / 2 : rules.size();
    require(!both || rules.size() % 2 == 0, "both protocols have the same targets", text);
    for (std::size_t i = 0; i < rules.size(); i++) {
        const Rule &rule = rules[i], &other = rules[i % targets];
        require(rule.listen() == first.listen() && rule.local() == first.local() &&
                    rule.clients() == first.clients(),
                "rules of one text listen for the same", text);
        require(rule.target() == other.target() && rule.weight() == other.weight(),
                "both protocols have the same targets", text);
        require(targets == 1 || rule.weight(), "targets of one text have weights", text);
    }
}

void fuzz_text(std::string_view text) {
    auto rules = parse_rules(text);
    if (!rules) return require_usage_error(rules.error());
    require(looks_like_rule(text), "what is read as a rule looks like one", text);
    require(!rules->empty(), "a text is a rule", text);
    for (const Rule& rule : *rules) require_valid(rule);
    require_siblings(*rules, text);
}

// The same bytes as a rule's fields, as they might stand in the kernel's table.
void fuzz_fields(Bytes input) {
    struct Fields {
        std::uint16_t listen_first, listen_last, target_first, target_last;
        std::uint8_t udp, has_local, is_v4, length, one_target, local[16];
    } fields;
    if (input.size() < sizeof fields) return;
    std::memcpy(&fields, input.data(), sizeof fields);
    std::optional<Prefix> local;
    if (fields.has_local & 1)
        local = Prefix{fields.is_v4 & 1 ? Address::from_v4(fields.local)
                                        : Address::from_v6(fields.local),
                       fields.length};
    auto rule = Rule::make(
        local, {fields.listen_first, fields.listen_last}, {fields.target_first, fields.target_last},
        fields.udp & 1 ? Protocol::kUdp : Protocol::kTcp,
        fields.one_target & 1 ? PortMapping::kOneTarget : PortMapping::kOneToOne);
    if (rule)
        require_valid(*rule);
    else
        require_usage_error(rule.error());
}

} // namespace

void fuzz(Bytes input) {
    fuzz_text(text_of(input));
    fuzz_fields(input);
}

} // namespace bpfport
