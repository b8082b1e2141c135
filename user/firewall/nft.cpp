// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// parse_nft(): the JSON of libnftables, schema version 1 (libnftables-json(5)).
#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "firewall/firewall.hpp"
#include "firewall/nft_match.hpp"
#include "firewall/nft_text.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::json;
using Name = std::tuple<std::string, std::string, std::string>; // family, table, name

Name name_of(const Json& object, const char* key) {
    return {text_of(object, "family"), text_of(object, "table"), text_of(object, key)};
}

// The elements of a set or map object, by name.
using Elements = std::map<Name, Json>;

class NftRuleReader {
  public:
    NftRuleReader(const Json& rule, const Elements& elements)
        : family_(text_of(rule, "family")), table_(text_of(rule, "table")), elements_(elements) {
        for (const auto& expression : rule.value("expr", Json::array())) read(expression);
    }

    std::vector<FirewallRule> take() && {
        rule_.text = text_;
        if (rule_.action != FirewallAction::kNothing || made_.empty()) made_.push_back(rule_);
        return std::move(made_);
    }

  private:
    void say(const std::string& words) {
        if (!words.empty()) text_ += (text_.empty() ? "" : " ") + words;
    }
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
            say(action(rule_, key, value));
        }
    }

    // In words; empty: nothing that matters here.
    std::string action(FirewallRule& rule, const std::string& key, const Json& value) {
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
            return key;
        }
        if (known->second == FirewallAction::kNothing) return {};
        rule.action = known->second;
        rule.nat_to.this_host = key == "redirect" || key == "tproxy";
        if (value.is_object()) rule.chain = text_of(value, "target");
        std::string words = key + (rule.chain.empty() ? "" : " " + rule.chain);
        if (known->second == FirewallAction::kNat && value.is_object()) {
            rule.nat_to.address = parse_address(text_of(value, "addr"));
            for (auto [part, word] : {std::pair{"addr", " to "}, {"port", " port "}}) {
                if (!value.contains(part)) continue;
                words += word + nft_text(value[part]);
                if (value[part].is_object() && value[part].contains("map"))
                    match_keys(rule, value[part]["map"]);
            }
        }
        return words;
    }

    // Of `dnat to tcp dport map { 80 : ... }`: what has no entry is left alone.
    void match_keys(FirewallRule& rule, const Json& map) const {
        bool known = true;
        std::vector<Json> keys;
        for (const auto& entry : members(map.value("data", Json()), known))
            if (entry.is_array() && entry.size() == 2) keys.push_back(plain(entry[0]));
        if (known && !keys.empty())
            nft_match(rule, map.value("key", Json::object()), keys, false);
        else
            rule.uncertain = true;
    }

    // An element without its timeout, counter or comment.
    static Json plain(const Json& one) {
        return one.is_object() && one.contains("elem") ? one["elem"].value("val", Json()) : one;
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
        for (const auto& one : list) result.push_back(plain(one));
        return result;
    }

    void match(FirewallRule& rule, const Json& left, const Json& right, bool negated) const {
        bool known = true;
        auto values = members(right, known);
        if (!known || values.empty()) {
            rule.uncertain = true;
            return;
        }
        nft_match(rule, left, values, negated);
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
            const Json value = plain(entry[0]);
            match(rule, key, value, false);
            auto words = action(rule, entry[1].begin().key(), *entry[1].begin());
            rule.text = fmt::format("{} {{ {} : {} }}", text_, nft_text(value), words);
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
        for (auto& rule : NftRuleReader(item["rule"], elements).take())
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
