// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// parse_nft(): the JSON of libnftables, schema version 1 (libnftables-json(5)).
#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "firewall/firewall.hpp"
#include "firewall/nft_text.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::json;
using Name = std::tuple<std::string, std::string, std::string>; // family, table, name

std::string text_of(const Json& json, const char* key) {
    auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Name name_of(const Json& object, const char* key) {
    return {text_of(object, "family"), text_of(object, "table"), text_of(object, key)};
}

// The elements of a set or map object, by name.
using Elements = std::map<Name, Json>;

class RuleReader {
  public:
    RuleReader(const Json& rule, const Elements& elements)
        : family_(text_of(rule, "family")), table_(text_of(rule, "table")), elements_(elements) {
        for (const auto& expression : rule.value("expr", Json::array()))
            read(expression);
    }

    std::vector<FirewallRule> take() && {
        if (rule_.action != FirewallAction::kNothing || made_.empty()) made_.push_back(rule_);
        for (auto& rule : made_) rule.text = text_;
        return std::move(made_);
    }

  private:
    void say(const std::string& words) { text_ += (text_.empty() ? "" : " ") + words; }
    void read(const Json& expression) {
        if (!expression.is_object() || expression.empty()) return;
        const std::string& key = expression.begin().key();
        const Json& value = *expression.begin();
        if (key == "match") {
            say(fmt::format("{}{} {}", nft_text(value.value("left", Json())),
                            text_of(value, "op") == "!=" ? " !=" : "",
                            nft_text(value.value("right", Json()))));
            match(rule_, value.value("left", Json::object()), value.value("right", Json()),
                  text_of(value, "op") == "!=");
        } else if (key == "vmap") {
            verdict_map(value);
        } else {
            action(rule_, key, value);
        }
    }

    void action(FirewallRule& rule, const std::string& key, const Json& value) {
        static const std::map<std::string, FirewallAction> kActions = {
            {"accept", FirewallAction::kAccept},   {"drop", FirewallAction::kDrop},
            {"reject", FirewallAction::kDrop},     {"return", FirewallAction::kReturn},
            {"jump", FirewallAction::kJump},       {"goto", FirewallAction::kGoto},
            {"redirect", FirewallAction::kNat},    {"dnat", FirewallAction::kNat},
            {"tproxy", FirewallAction::kNat},      {"queue", FirewallAction::kUnknown},
            {"counter", FirewallAction::kNothing}, {"log", FirewallAction::kNothing},
            {"mangle", FirewallAction::kNothing},  {"notrack", FirewallAction::kNothing},
            {"comment", FirewallAction::kNothing}, {"flow", FirewallAction::kNothing}};
        auto known = kActions.find(key);
        if (known == kActions.end()) { // limit, meter, xt ...
            rule.uncertain = true;
            say(key);
            return;
        }
        if (known->second == FirewallAction::kNothing) return;
        rule.action = known->second;
        rule.nat_to.this_host = key == "redirect" || key == "tproxy";
        if (value.is_object()) rule.chain = text_of(value, "target");
        std::string words = key + (rule.chain.empty() ? "" : " " + rule.chain);
        if (known->second == FirewallAction::kNat && value.is_object()) {
            if (value.contains("addr")) words += " to " + nft_text(value["addr"]);
            rule.nat_to.address = parse_address(text_of(value, "addr"));
            if (value.contains("port")) words += " port " + nft_text(value["port"]);
        }
        say(words);
    }

    // The members of what a match compares with: one value, a set, a named set.
    std::vector<Json> members(const Json& right, bool& known) const {
        if (right.is_string() && right.get<std::string>().starts_with('@')) {
            auto named = elements_.find({family_, table_, right.get<std::string>().substr(1)});
            known = named != elements_.end();
            return known ? listed(named->second) : std::vector<Json>{};
        }
        return listed(right);
    }

    static std::vector<Json> listed(const Json& right) {
        const Json& list = right.is_object() && right.contains("set") ? right["set"] : right;
        std::vector<Json> result;
        if (!list.is_array()) return {list};
        for (const auto& one : list)
            result.push_back(
                one.is_object() && one.contains("elem") ? one["elem"].value("val", Json()) : one);
        return result;
    }

    static std::optional<std::uint16_t> port_number(const Json& value) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 65535) return std::nullopt;
        return value.get<std::uint16_t>();
    }

    static std::optional<PortRange> port(const Json& value) {
        bool range = value.is_object() && value.contains("range") && value["range"].size() == 2;
        auto first = port_number(range ? value["range"][0] : value);
        auto last = range ? port_number(value["range"][1]) : first;
        if (!first || !last || *first > *last) return std::nullopt;
        return PortRange{*first, *last};
    }

    void match(FirewallRule& rule, const Json& left, const Json& right, bool negated) const {
        bool known = true;
        auto values = members(right, known);
        if (!known || values.empty()) {
            rule.uncertain = true;
            return;
        }
        if (left.contains("payload"))
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

    static void match_payload(FirewallRule& rule, const Json& payload,
                              const std::vector<Json>& values, bool negated) {
        auto protocol = text_of(payload, "protocol"), field = text_of(payload, "field");
        if (protocol == "tcp" || protocol == "udp")
            rule.protocol = protocol == "tcp" ? Protocol::kTcp : Protocol::kUdp;
        else if (protocol == "icmp" || protocol == "icmpv6" || protocol == "sctp" ||
                 protocol == "esp" || protocol == "ah")
            rule.never = true;
        if (protocol == "ip" || protocol == "ip6") {
            rule.ipv6 = protocol == "ip6";
            if (field == "protocol" || field == "nexthdr")
                return match_protocol(rule, values, negated);
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

    static void match_destination(FirewallRule& rule, const std::vector<Json>& values,
                                  bool negated) {
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

    static void match_protocol(FirewallRule& rule, const std::vector<Json>& values, bool negated) {
        bool tcp = false, udp = false;
        for (const auto& value : values) {
            tcp |= value == "tcp" || value == 6;
            udp |= value == "udp" || value == 17;
        }
        if (negated) tcp = !tcp, udp = !udp;
        if (!tcp && !udp) rule.never = true;
        if (tcp != udp) rule.protocol = tcp ? Protocol::kTcp : Protocol::kUdp;
    }

    static void match_meta(FirewallRule& rule, const std::string& key,
                           const std::vector<Json>& values, bool negated) {
        if (key == "l4proto") return match_protocol(rule, values, negated);
        if ((key == "iifname" || key == "iif") && values.size() == 1 && values[0].is_string()) {
            rule.interface = values[0].get<std::string>();
            rule.interface_negated = negated;
        } else if ((key == "oifname" || key == "oif") && values.size() == 1 &&
                   values[0].is_string()) {
            rule.out = values[0].get<std::string>();
            rule.out_negated = negated;
        } else if (key == "nfproto" && values.size() == 1 && !negated) {
            rule.ipv6 = values[0] == "ipv6";
        } else {
            rule.uncertain = true;
        }
    }

    static void match_state(FirewallRule& rule, const std::vector<Json>& values, bool negated) {
        bool is_new = std::ranges::any_of(
            values, [](const Json& one) { return one == "new" || one == "untracked"; });
        if (is_new == negated) rule.never = true;
    }

    // One rule for each of its verdicts.
    void verdict_map(const Json& map) {
        const Json key = map.value("key", Json::object());
        bool known = true;
        say(fmt::format("{} vmap", nft_text(key)));
        auto entries = members(map.value("data", Json()), known);
        if (!known) {
            rule_.uncertain = true;
            rule_.action = FirewallAction::kUnknown;
            return;
        }
        for (const auto& entry : entries) {
            bool is_pair = entry.is_array() && entry.size() == 2 && entry[1].is_object();
            if (!is_pair || entry[1].empty()) continue;
            FirewallRule rule = rule_;
            Json value = entry[0];
            if (value.is_object() && value.contains("elem")) value = value["elem"]["val"];
            match(rule, key, value, false);
            action(rule, entry[1].begin().key(), *entry[1].begin());
            made_.push_back(std::move(rule));
        }
    }

    std::string family_, table_;
    const Elements& elements_;
    FirewallRule rule_;
    std::vector<FirewallRule> made_;
    std::string text_;
};

FirewallChain read_chain(const Json& json) {
    FirewallChain chain;
    std::tie(chain.family, chain.table, chain.name) = name_of(json, "name");
    chain.type = text_of(json, "type");
    chain.hook = text_of(json, "hook");
    chain.device = text_of(json, "dev");
    chain.drops = text_of(json, "policy") == "drop";
    return chain;
}

Firewall read_ruleset(const Json& json) {
    Elements elements;
    Firewall firewall;
    std::map<Name, std::size_t> chains;
    for (const auto& item : json["nftables"])
        for (const char* kind : {"set", "map"})
            if (item.contains(kind))
                elements[name_of(item[kind], "name")] = item[kind].value("elem", Json::array());
    for (const auto& item : json["nftables"])
        if (item.contains("chain")) {
            chains[name_of(item["chain"], "name")] = firewall.size();
            firewall.push_back(read_chain(item["chain"]));
        }
    for (const auto& item : json["nftables"]) {
        if (!item.contains("rule")) continue;
        auto chain = chains.find(name_of(item["rule"], "chain"));
        if (chain == chains.end()) continue;
        for (auto& rule : RuleReader(item["rule"], elements).take())
            firewall[chain->second].rules.push_back(std::move(rule));
    }
    return firewall;
}

} // namespace

Result<Firewall> parse_nft(std::string_view text) {
    constexpr auto kNone = "read the nft rule set: not the JSON of `nft -j list ruleset`";
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("nftables") || !json["nftables"].is_array())
        return failure(kNone);
    try {
        return read_ruleset(json);
    } catch (const Json::exception&) { // a value of a type that the schema doesn't have
        return failure(kNone);
    }
}

} // namespace bpfport
