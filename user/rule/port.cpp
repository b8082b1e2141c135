// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/port.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

std::string PortRange::to_string() const {
    return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

std::optional<std::uint16_t> parse_port_number(std::string_view text) {
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return port;
}

std::optional<PortList> parse_port_list(std::string_view text) {
    PortList ports;
    while (!text.empty()) {
        auto comma = text.find(',');
        auto item = text.substr(0, comma);
        auto dash = item.find('-');
        auto first = parse_port_number(item.substr(0, dash));
        auto last = dash == item.npos ? first : parse_port_number(item.substr(dash + 1));
        if (!first || !last || *first > *last) return std::nullopt;
        ports.push_back({*first, *last});
        if (comma == text.npos) break;
        text.remove_prefix(comma + 1);
        if (text.empty()) return std::nullopt; // a comma with nothing after it
    }
    return ports;
}

std::string to_string(const PortList& ports) {
    std::vector<std::string> items;
    for (PortRange range : ports) items.push_back(range.to_string());
    return fmt::format("{}", fmt::join(items, ","));
}

PortRange common(PortRange a, PortRange b) {
    return {std::max(a.first, b.first), std::min(a.last, b.last)};
}

PortList merged(PortList ports) {
    std::ranges::sort(ports);
    PortList result;
    for (PortRange range : ports) {
        if (!result.empty() && range.first <= result.back().last + 1)
            result.back().last = std::max(result.back().last, range.last);
        else
            result.push_back(range);
    }
    return result;
}

bool have_any(const PortList& merged, PortRange range) {
    auto found = std::ranges::lower_bound(merged, range.first, {}, &PortRange::last);
    return found != merged.end() && found->overlaps(range);
}

PortList missing_from(const PortList& ports, PortRange range) {
    PortList result;
    unsigned next = range.first; // the first port not yet accounted for; may run past 65535
    auto add = [&](unsigned last) {
        result.push_back({static_cast<std::uint16_t>(next), static_cast<std::uint16_t>(last)});
    };
    for (PortRange held : merged(ports)) {
        if (!held.overlaps(range)) continue;
        if (held.first > next) add(held.first - 1U);
        next = held.last + 1U;
    }
    if (next <= range.last) add(range.last);
    return result;
}

} // namespace bpfport
