// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/rule.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace bpfport {

namespace {

std::string form_hint() { return fmt::format("write {}, such as 80:3000", kRuleForm); }

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

Result<std::uint16_t> parse_port(std::string_view place, std::string_view text) {
    if (auto port = parse_port_number(text); port && *port != 0) return *port;
    if (text.empty()) return usage_error(fmt::format("{} is empty", place), form_hint());
    if (!is_digits(text))
        return usage_error(
            fmt::format("{} {:?} is not a number", place, text),
            "a port is 1 to 65535 in decimal digits; a scope other than an interface is any, "
            "cgroup:PATH, unit:NAME, container:ID, user:NAME or pid:N");
    if (text.find_first_not_of('0') == text.npos)
        return usage_error(fmt::format("{} {} can't be redirected", place, text),
                           "port 0 asks the kernel to choose one; write 1 to 65535");
    if (text.front() == '0')
        return usage_error(fmt::format("{} {} begins with 0", place, text),
                           fmt::format("write {}: some programs take a leading 0 for octal",
                                       text.substr(text.find_first_not_of('0'))));
    return usage_error(fmt::format("{} {} is above 65535", place, text), "a port is 1 to 65535");
}

Result<PortRange> parse_range(std::string_view place, std::string_view text) {
    auto dash = text.find('-');
    auto first = parse_port(place, text.substr(0, dash));
    if (!first) return std::unexpected(first.error());
    if (dash == text.npos) return PortRange{*first, *first};
    auto last = parse_port(fmt::format("end of the {} range", place), text.substr(dash + 1));
    if (!last) return std::unexpected(last.error());
    return PortRange{*first, *last};
}

Result<std::vector<Protocol>> parse_protocols(std::string_view text) {
    if (text == "tcp") return std::vector{Protocol::kTcp};
    if (text == "udp") return std::vector{Protocol::kUdp};
    if (text == "tcp+udp") return std::vector{Protocol::kTcp, Protocol::kUdp};
    if (text.find(':') != text.npos)
        return usage_error("a '/' before the ports",
                           "a local address is one address, without a prefix length");
    return usage_error(fmt::format("unknown protocol {:?}", text), "write /tcp, /udp or /tcp+udp");
}

Result<Address> parse_local(std::string_view text) {
    if (text.empty())
        return usage_error("local address is empty",
                           "leave out its ':' as well to mean every address");
    if (auto address = parse_address(text)) return *address;
    if (text.find('%') != text.npos)
        return usage_error(fmt::format("local address {:?} has a zone", text),
                           "leave the zone out and give the interface as the scope");
    return usage_error(fmt::format("local address {:?} is not an IP address", text),
                       "write an IPv4 address, or an IPv6 address in brackets, and no name; an "
                       "interface is a scope and goes before the rules");
}

// Takes "ADDR:" off the front of the text, if it has one.
Result<std::optional<Address>> take_local(std::string_view& text) {
    if (text.starts_with('[')) {
        auto close = text.find(']');
        if (close == text.npos) return usage_error("local address has no closing ']'", form_hint());
        auto inner = text.substr(1, close - 1);
        auto address = parse_local(inner);
        if (!address) return std::unexpected(address.error());
        if (inner.find(':') == inner.npos)
            return usage_error(fmt::format("local address {:?} in brackets", inner),
                               "brackets are for IPv6; write IPv4 without them");
        text.remove_prefix(close + 1);
        if (!text.starts_with(':'))
            return usage_error("no ':' after the local address", form_hint());
        text.remove_prefix(1);
        return *address;
    }
    auto colons = std::ranges::count(text, ':');
    if (colons < 2) return std::nullopt;
    if (colons > 2)
        return usage_error("more than two ':' outside brackets",
                           "write an IPv6 address in brackets: [2001:db8::1]:443:8443");
    auto colon = text.find(':');
    auto address = parse_local(text.substr(0, colon));
    if (!address) return std::unexpected(address.error());
    text.remove_prefix(colon + 1);
    return *address;
}

Result<std::vector<Rule>> parse(std::string_view text) {
    std::vector<Protocol> protocols{Protocol::kTcp};
    if (auto slash = text.find('/'); slash != text.npos) {
        auto parsed = parse_protocols(text.substr(slash + 1));
        if (!parsed) return std::unexpected(parsed.error());
        protocols = *parsed;
        text = text.substr(0, slash);
    }
    auto local = take_local(text);
    if (!local) return std::unexpected(local.error());

    auto colon = text.find(':');
    if (colon == text.npos)
        return usage_error("no target port",
                           fmt::format("write {}, such as {}:3000", kRuleForm,
                                       is_digits(text) ? text : std::string_view("80")));
    auto listen = parse_range("listen port", text.substr(0, colon));
    if (!listen) return std::unexpected(listen.error());
    auto target = parse_range("target port", text.substr(colon + 1));
    if (!target) return std::unexpected(target.error());

    std::vector<Rule> rules;
    for (Protocol protocol : protocols) {
        auto rule = Rule::make(*local, *listen, *target, protocol);
        if (!rule) return std::unexpected(rule.error());
        rules.push_back(*rule);
    }
    return rules;
}

Result<void> check_range(std::string_view place, PortRange range) {
    if (range.first == 0)
        return usage_error(fmt::format("{} 0 can't be redirected", place), "write 1 to 65535");
    if (range.first > range.last)
        return usage_error(
            fmt::format("{} range {} runs backwards", place, range.to_string()),
            fmt::format("write the lower port first: {}-{}", range.last, range.first));
    return {};
}

// The target range that would fit, if there is one.
std::string length_hint(PortRange listen, PortRange target) {
    unsigned last = target.first + listen.size() - 1;
    if (last > 65535) return "a range maps one to one: both must be of one length";
    return fmt::format("a range maps one to one: {}:{}", listen.to_string(),
                       PortRange{target.first, static_cast<std::uint16_t>(last)}.to_string());
}

} // namespace

std::string_view to_string(Protocol protocol) { return protocol == Protocol::kTcp ? "tcp" : "udp"; }

Result<Rule> Rule::make(std::optional<Address> local, PortRange listen, PortRange target,
                        Protocol protocol) {
    if (auto checked = check_range("listen port", listen); !checked)
        return std::unexpected(checked.error());
    if (auto checked = check_range("target port", target); !checked)
        return std::unexpected(checked.error());
    if (listen.size() != target.size())
        return usage_error(
            fmt::format("ranges of unequal length: listen {} is {} long, target {} is {}",
                        listen.to_string(), listen.size(), target.to_string(), target.size()),
            length_hint(listen, target));
    if (listen == target)
        return usage_error(
            fmt::format("target port {} is the listen port itself", target.to_string()),
            "nothing needs to be redirected; for the right to bind a low port see bpfport grant");
    if (listen.overlaps(target))
        return usage_error(fmt::format("target ports {} overlap the listen ports {}",
                                       target.to_string(), listen.to_string()),
                           "a port can't be both: choose target ports outside the listen range");
    if (local && local->is_any())
        return usage_error(
            fmt::format("local address {} does not name one address", local->to_string()),
            "leave it out: a rule without address is for all of them, IPv4 and IPv6");
    if (local && local->is_multicast())
        return usage_error(
            fmt::format("local address {} is a multicast or broadcast address", local->to_string()),
            "such packets are never redirected; write an address of this host");
    return Rule(local, listen, target, protocol);
}

std::string Rule::to_string() const {
    std::string address;
    if (local_)
        address = fmt::format(fmt::runtime(local_->is_v4() ? "{}:" : "[{}]:"), local_->to_string());
    return fmt::format("{}{}:{}{}", address, listen_.to_string(), target_.to_string(),
                       protocol_ == Protocol::kUdp ? "/udp" : "");
}

Result<std::vector<Rule>> parse_rules(std::string_view text) {
    auto rules = parse(text);
    if (!rules) return context(fmt::format("rule {:?}", text), rules.error());
    return rules;
}

} // namespace bpfport
