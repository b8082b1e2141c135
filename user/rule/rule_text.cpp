// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules as they are written on a command line.
#include <algorithm>

#include <fmt/format.h>

#include "rule/rule.hpp"

namespace bpfport {

namespace {

std::string form_hint() { return fmt::format("write {}, such as 80:3000", kRuleForm); }

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

Result<std::uint16_t> parse_port(std::string_view place, std::string_view text) {
    if (auto port = parse_port_number(text); port && *port != 0) return *port;
    if (text.empty()) return usage_error(fmt::format("{} is empty", place), form_hint());
    if (text.find('/') != text.npos)
        return usage_error(fmt::format("{} {:?}: a '/' before the target port", place, text),
                           "a protocol goes last, 80:3000/udp; a prefix goes before the listen "
                           "port, 192.0.2.0/24:80:3000");
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
    return usage_error(fmt::format("unknown protocol {:?}", text), "write /tcp, /udp or /tcp+udp");
}

Result<Address> parse_local_address(std::string_view text) {
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

Result<Prefix> parse_local(std::string_view text) {
    auto slash = text.find('/');
    auto address = parse_local_address(text.substr(0, slash));
    if (!address) return std::unexpected(address.error());
    if (slash == text.npos) return Prefix{*address};
    const unsigned bits = address->is_v4() ? 32 : 128;
    auto length = parse_port_number(text.substr(slash + 1)); // the same decimal digits
    if (!length || *length > bits)
        return usage_error(
            fmt::format("prefix length {:?} of local address {}", text.substr(slash + 1),
                        address->to_string()),
            fmt::format("write 0 to {}, such as {}/{}", bits, address->to_string(), bits));
    return Prefix{*address, *length + Prefix::kBits - bits};
}

// Takes "ADDR:" or "ADDR/LENGTH:" off the front of the text, if it has one.
Result<std::optional<Prefix>> take_local(std::string_view& text) {
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

// Takes the protocols off the end: what follows the first '/' behind the last ':'.
Result<std::vector<Protocol>> take_protocols(std::string_view& text) {
    auto colon = text.rfind(':');
    auto slash = text.find('/', colon == text.npos ? 0 : colon);
    if (slash == text.npos) return std::vector{Protocol::kTcp};
    auto parsed = parse_protocols(text.substr(slash + 1));
    text = text.substr(0, slash);
    return parsed;
}

// Takes "@CLIENTS" off the end.
Result<ClientSet> take_clients(std::string_view& text) {
    auto at = text.find('@');
    if (at == text.npos) return ClientSet();
    auto clients = parse_clients(text.substr(at + 1));
    text = text.substr(0, at);
    return clients;
}

struct Target {
    PortRange ports;
    PortMapping mapping = PortMapping::kOneToOne;
    std::optional<std::uint16_t> weight;
};

struct Ports {
    PortRange listen;
    std::vector<Target> targets;
};

Result<std::uint16_t> parse_weight(PortRange target, std::string_view text) {
    if (auto weight = parse_port_number(text)) return *weight; // the same decimal digits
    return usage_error(fmt::format("weight {:?} of target {} is not a number up to 65535", text,
                                   target.to_string()),
                       "write 0 to 65535, such as 80:3000*95,4000*5");
}

Result<Target> parse_target(std::string_view text) {
    Target target;
    if (text.starts_with('=')) {
        target.mapping = PortMapping::kOneTarget;
        text.remove_prefix(1);
    }
    const auto star = text.find('*');
    auto ports = parse_range("target port", text.substr(0, star));
    if (!ports) return std::unexpected(ports.error());
    target.ports = *ports;
    if (star == text.npos) return target;
    auto weight = parse_weight(*ports, text.substr(star + 1));
    if (!weight) return std::unexpected(weight.error());
    target.weight = *weight;
    return target;
}

// That each has a weight is required: without, a comma would be a slip of the keyboard that sends half
// of the clients elsewhere.
Result<void> check_weights(const std::vector<Target>& targets) {
    if (targets.size() == 1) return {};
    unsigned sum = 0;
    for (std::size_t i = 0; i < targets.size(); i++) {
        const auto& [ports, mapping, weight] = targets[i];
        if (!weight)
            return usage_error(
                fmt::format("target {} has no weight", ports.to_string()),
                fmt::format("targets that share a listen port have one each, such as "
                            "80:{}*1,{}*1",
                            targets[0].ports.to_string(), targets[1].ports.to_string()));
        sum += *weight;
        for (std::size_t before = 0; before < i; before++)
            if (targets[before].ports.overlaps(ports))
                return usage_error(fmt::format("target {} is there twice", ports.to_string()),
                                   "give each target once, with the sum of the weights");
    }
    if (sum == 0) return usage_error("all weights are 0", "one target must get the connections");
    return {};
}

Result<std::vector<Target>> parse_targets(std::string_view text) {
    std::vector<Target> targets;
    for (std::size_t comma = 0; comma != text.npos;) {
        comma = text.find(',');
        auto target = parse_target(text.substr(0, comma));
        if (!target) return std::unexpected(target.error());
        targets.push_back(*target);
        if (comma != text.npos) text.remove_prefix(comma + 1);
    }
    if (auto checked = check_weights(targets); !checked) return std::unexpected(checked.error());
    return targets;
}

Result<Ports> parse_ports(std::string_view text) {
    auto colon = text.find(':');
    if (colon == text.npos)
        return usage_error("no target port",
                           fmt::format("write {}, such as {}:3000", kRuleForm,
                                       is_digits(text) ? text : std::string_view("80")));
    Ports ports;
    auto listen = parse_range("listen port", text.substr(0, colon));
    if (!listen) return std::unexpected(listen.error());
    auto targets = parse_targets(text.substr(colon + 1));
    if (!targets) return std::unexpected(targets.error());
    ports.listen = *listen;
    ports.targets = std::move(*targets);
    return ports;
}

Result<std::vector<Rule>> parse(std::string_view text) {
    auto clients = take_clients(text);
    if (!clients) return std::unexpected(clients.error());
    auto protocols = take_protocols(text);
    if (!protocols) return std::unexpected(protocols.error());
    auto local = take_local(text);
    if (!local) return std::unexpected(local.error());
    auto ports = parse_ports(text);
    if (!ports) return std::unexpected(ports.error());
    std::vector<Rule> rules;
    for (Protocol protocol : *protocols) {
        for (const auto& [target, mapping, weight] : ports->targets) {
            auto rule = Rule::make(*local, ports->listen, target, protocol, mapping);
            if (!rule) return std::unexpected(rule.error());
            rules.push_back(rule->with_clients(*clients).with_weight(weight));
        }
    }
    return rules;
}

} // namespace

Result<std::vector<Rule>> parse_rules(std::string_view text) {
    auto rules = parse(text);
    if (!rules) return context(fmt::format("rule {:?}", text), rules.error());
    return rules;
}

} // namespace bpfport
