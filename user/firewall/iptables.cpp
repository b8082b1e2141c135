// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// parse_iptables_save(): what iptables-save(8) prints, of the legacy and the nft variant alike.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "firewall/firewall.hpp"

namespace bpfport {

namespace {

using Words = std::vector<std::string>;

// By spaces; "quoted text" is one word.
Words split(const std::string& line) {
    Words words;
    std::string word;
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); i++) {
        char c = line[i];
        if (quoted && c == '\\' && i + 1 < line.size()) {
            word += line[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ' ' && !quoted) {
            if (!word.empty()) words.push_back(std::move(word));
            word.clear();
        } else {
            word += c;
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

// "80", "8000:8010", "80,443,8000:8010".
std::optional<PortList> port_list(std::string text) {
    for (char& c : text)
        if (c == ':') c = '-';
    return parse_port_list(text);
}

FirewallAction action_of(const std::string& target, const std::set<std::string>& chains) {
    static const std::map<std::string, FirewallAction> kTargets = {
        {"ACCEPT", FirewallAction::kAccept},    {"DROP", FirewallAction::kDrop},
        {"REJECT", FirewallAction::kDrop},      {"RETURN", FirewallAction::kReturn},
        {"REDIRECT", FirewallAction::kNat},     {"DNAT", FirewallAction::kNat},
        {"TPROXY", FirewallAction::kNat},       {"LOG", FirewallAction::kNothing},
        {"NFLOG", FirewallAction::kNothing},    {"MARK", FirewallAction::kNothing},
        {"CONNMARK", FirewallAction::kNothing}, {"CT", FirewallAction::kNothing},
        {"NOTRACK", FirewallAction::kNothing},  {"TRACE", FirewallAction::kNothing},
        {"SNAT", FirewallAction::kNothing},     {"MASQUERADE", FirewallAction::kNothing},
        {"TCPMSS", FirewallAction::kNothing},   {"DSCP", FirewallAction::kNothing}};
    if (chains.contains(target)) return FirewallAction::kJump;
    auto known = kTargets.find(target);
    return known == kTargets.end() ? FirewallAction::kUnknown : known->second;
}

class RuleReader {
  public:
    RuleReader(const Words& words, const std::set<std::string>& chains)
        : words_(words), chains_(chains) {}

    FirewallRule read() {
        for (at_ = 2; at_ < words_.size(); at_++) {
            bool negated = words_[at_] == "!";
            if (negated) at_++;
            if (at_ >= words_.size() || !option(words_[at_], negated)) break;
        }
        for (std::size_t i = 2; i < words_.size(); i++)
            rule_.text += (rule_.text.empty() ? "" : " ") + words_[i];
        return rule_;
    }

  private:
    std::string next() { return at_ + 1 < words_.size() ? words_[++at_] : std::string(); }

    // "10.1.0.2", "10.1.0.2:80", "[fd01::2]:80"; a range of addresses is none of these.
    void destination(std::string text) {
        if (text.starts_with('['))
            text = text.substr(1, text.find(']') - 1);
        else if (std::ranges::count(text, ':') == 1)
            text.resize(text.find(':'));
        rule_.nat_to.address = parse_address(text);
    }

    // False: the target, behind which are only its own options.
    bool option(const std::string& name, bool negated) {
        if (name == "-j" || name == "-g") {
            rule_.chain = next();
            rule_.action = name == "-g" ? FirewallAction::kGoto : action_of(rule_.chain, chains_);
            rule_.nat_to.this_host = rule_.chain == "REDIRECT" || rule_.chain == "TPROXY";
            if (rule_.chain == "DNAT" && next() == "--to-destination") destination(next());
            return false;
        }
        if (name == "-p") {
            protocol(next(), negated);
        } else if (name == "-i") {
            rule_.interface = next();
            rule_.interface_negated = negated;
        } else if (name == "--dport" || name == "--dports" || name == "--destination-port") {
            auto ports = port_list(next());
            if (ports)
                rule_.ports = PortMatch{std::move(*ports), negated};
            else
                rule_.uncertain = true;
        } else if (name == "-o") {
            rule_.out = next();
            rule_.out_negated = negated;
        } else if (name == "-d") {
            auto prefix = parse_prefix(next());
            if (prefix)
                rule_.to = AddressMatch{{*prefix}, negated};
            else
                rule_.uncertain = true;
        } else if (name == "--ctstate" || name == "--state") {
            bool is_new = next().find("NEW") != std::string::npos;
            if (is_new == negated) rule_.never = true;
        } else if (name == "--tcp-flags") {
            std::string mask = next();
            if (mask != "FIN,SYN,RST,ACK" || next() != "SYN" || negated) rule_.uncertain = true;
        } else if (name == "--dst-type") {
            if (next() != "LOCAL")
                rule_.uncertain = true;
            else if (negated)
                rule_.never = true; // every arrival is for an address of this host
        } else if (name == "-m" || name == "--comment") {
            next(); // the options that follow say what it wants
        } else if (name.starts_with('-')) {
            rule_.uncertain = true; // -s, --limit ...; its values are passed over
        }
        return true;
    }

    void protocol(const std::string& name, bool negated) {
        bool tcp = name == "tcp" || name == "6", udp = name == "udp" || name == "17";
        if (name == "all") return;
        if (negated)
            rule_.uncertain = true;
        else if (tcp || udp)
            rule_.protocol = tcp ? Protocol::kTcp : Protocol::kUdp;
        else
            rule_.never = true;
    }

    const Words& words_;
    const std::set<std::string>& chains_;
    std::size_t at_ = 0;
    FirewallRule rule_;
};

std::string hook_of(const std::string& chain) {
    static const std::map<std::string, std::string> kHookNames = {{"PREROUTING", "prerouting"},
                                                                  {"INPUT", "input"},
                                                                  {"FORWARD", "forward"},
                                                                  {"OUTPUT", "output"},
                                                                  {"POSTROUTING", "postrouting"}};
    auto known = kHookNames.find(chain);
    return known == kHookNames.end() ? std::string() : known->second;
}

} // namespace

Firewall parse_iptables_save(std::string_view text, bool ipv6) {
    Firewall firewall;
    std::istringstream lines{std::string(text)};
    std::string line, table;
    std::set<std::string> chains;
    std::map<std::string, std::size_t> places; // of the table's chains
    while (std::getline(lines, line)) {
        if (line.starts_with('*')) {
            table = line.substr(1);
            chains.clear();
            places.clear();
        } else if (line.starts_with(':')) {
            Words words = split(line.substr(1));
            if (words.empty()) continue;
            FirewallChain chain;
            chain.family = ipv6 ? "ip6" : "ip";
            chain.table = table;
            chain.name = words[0];
            chain.hook = hook_of(chain.name);
            if (!chain.hook.empty()) chain.type = table == "nat" ? "nat" : "filter";
            chain.drops = words.size() > 1 && words[1] == "DROP";
            chains.insert(chain.name);
            places[chain.name] = firewall.size();
            firewall.push_back(std::move(chain));
        } else if (line.starts_with("-A ")) {
            Words words = split(line);
            auto place = places.find(words.size() > 1 ? words[1] : "");
            if (place != places.end())
                firewall[place->second].rules.push_back(RuleReader(words, chains).read());
        }
    }
    return firewall;
}

} // namespace bpfport
