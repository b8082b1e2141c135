// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "firewall/nft_match.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "firewall/nft_text.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::json;

std::optional<std::uint16_t> port_number(const Json& value) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 65535) return std::nullopt;
    return value.get<std::uint16_t>();
}

std::optional<PortRange> port(const Json& value) {
    bool range = value.is_object() && value.contains("range") && value["range"].size() == 2;
    auto first = port_number(range ? value["range"][0] : value);
    auto last = range ? port_number(value["range"][1]) : first;
    if (!first || !last || *first > *last) return std::nullopt;
    return PortRange{*first, *last};
}

void match_destination(FirewallRule& rule, const std::vector<Json>& values, bool negated) {
    AddressMatch to{{}, negated};
    for (const auto& value : values) {
        auto prefix = parse_prefix(nft_text(value));
        if (!prefix) { // part of the list is not the list
            rule.uncertain = true;
            return;
        }
        to.prefixes.push_back(*prefix);
    }
    rule.to = std::move(to);
}

void match_protocol(FirewallRule& rule, const std::vector<Json>& values, bool negated) {
    bool tcp = false, udp = false;
    for (const auto& value : values) {
        tcp |= value == "tcp" || value == 6;
        udp |= value == "udp" || value == 17;
    }
    if (negated) tcp = !tcp, udp = !udp;
    if (!tcp && !udp) rule.never = true;
    if (tcp != udp) rule.protocol = tcp ? Protocol::kTcp : Protocol::kUdp;
}

void match_payload(FirewallRule& rule, const Json& payload, const std::vector<Json>& values,
                   bool negated) {
    auto protocol = text_of(payload, "protocol"), field = text_of(payload, "field");
    if (protocol == "tcp" || protocol == "udp")
        rule.protocol = protocol == "tcp" ? Protocol::kTcp : Protocol::kUdp;
    else if (protocol == "icmp" || protocol == "icmpv6" || protocol == "sctp" ||
             protocol == "esp" || protocol == "ah")
        rule.never = true;
    if (protocol == "ip" || protocol == "ip6") {
        rule.ipv6 = protocol == "ip6";
        if (field == "protocol" || field == "nexthdr") return match_protocol(rule, values, negated);
        if (field == "daddr") return match_destination(rule, values, negated);
    }
    if (field != "dport") {
        rule.uncertain = true;
        return;
    }
    PortMatch ports{{}, negated};
    for (const auto& value : values) {
        auto range = port(value);
        if (!range) { // part of the list is not the list
            rule.uncertain = true;
            return;
        }
        ports.ports.push_back(*range);
    }
    rule.ports = std::move(ports);
}

void match_meta(FirewallRule& rule, const std::string& key, const std::vector<Json>& values,
                bool negated) {
    if (key == "l4proto") return match_protocol(rule, values, negated);
    if ((key == "iifname" || key == "iif") && values.size() == 1 && values[0].is_string()) {
        rule.interface = values[0].get<std::string>();
        rule.interface_negated = negated;
    } else if ((key == "oifname" || key == "oif") && values.size() == 1 && values[0].is_string()) {
        rule.out = values[0].get<std::string>();
        rule.out_negated = negated;
    } else if (key == "nfproto" && values.size() == 1 && !negated) {
        rule.ipv6 = values[0] == "ipv6";
    } else {
        rule.uncertain = true;
    }
}

void match_state(FirewallRule& rule, const std::vector<Json>& values, bool negated) {
    bool is_new = std::ranges::any_of(
        values, [](const Json& one) { return one == "new" || one == "untracked"; });
    if (is_new == negated) rule.never = true;
}

// Of several values only what each part may be is kept.
void match_concat(FirewallRule& rule, const Json& fields, const std::vector<Json>& values,
                  bool negated) {
    bool whole = std::ranges::all_of(values, [&](const Json& value) {
        return value.is_object() && value.contains("concat") && value["concat"].is_array() &&
               value["concat"].size() == fields.size();
    });
    rule.uncertain = rule.uncertain || !whole || negated || values.size() > 1;
    if (!whole || negated) return;
    for (std::size_t i = 0; i < fields.size(); i++) {
        std::vector<Json> parts;
        for (const auto& value : values)
            if (const auto& part = value["concat"][i];
                std::ranges::find(parts, part) == parts.end())
                parts.push_back(part);
        nft_match(rule, fields[i], parts, false);
    }
}

} // namespace

void nft_match(FirewallRule& rule, const Json& left, const std::vector<Json>& values,
               bool negated) {
    if (left.contains("concat") && left["concat"].is_array())
        match_concat(rule, left["concat"], values, negated);
    else if (left.contains("payload"))
        match_payload(rule, left["payload"], values, negated);
    else if (left.contains("meta"))
        match_meta(rule, text_of(left["meta"], "key"), values, negated);
    else if (left.contains("ct") && text_of(left["ct"], "key") == "state")
        match_state(rule, values, negated);
    else if (nft_text(left) == "fib daddr type" && values.size() == 1 && values[0] == "local")
        rule.never = rule.never || negated; // every arrival is for an address of this host
    else
        rule.uncertain = true;
}

} // namespace bpfport
