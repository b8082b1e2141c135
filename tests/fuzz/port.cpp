// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Port numbers, lists and ranges as words and sysctls write them; set arithmetic on them is checked
// port by port.
#include "rule/port.hpp"

#include <bitset>

#include "fuzz.hpp"
#include "kernel/sysctl.hpp"

namespace bpfport {

namespace {

using PortSet = std::bitset<65536>;

PortSet set_of(const PortList& ports) {
    PortSet set;
    for (PortRange range : ports)
        for (unsigned port = range.first; port <= range.last; port++) set.set(port);
    return set;
}

void fuzz_arithmetic(const PortList& ports, PortRange range, std::string_view text) {
    PortList joined = merged(ports);
    for (std::size_t i = 1; i < joined.size(); i++)
        require(joined[i - 1].last + 1 < joined[i].first, "joined ranges stand apart", text);
    require(set_of(joined) == set_of(ports), "joining changes no port", text);
    require(set_of(missing_from(ports, range)) == (set_of({range}) & ~set_of(ports)),
            "what is missing is what is not there", text);
}

} // namespace

void fuzz(Bytes input) {
    auto text = text_of(input);
    if (auto port = parse_port_number(text))
        require(std::to_string(*port) == text, "a port has one spelling", text);
    if (auto range = parse_port_range(text))
        require(range->first <= range->last, "ends are ordered", text);
    constexpr std::size_t kMany = 16; // arithmetic on more finds nothing new, slowly
    if (auto ports = parse_port_list(text)) {
        for (PortRange range : *ports) require(range.first <= range.last, "ends are ordered", text);
        require(parse_port_list(to_string(*ports)) == *ports, "a list is read back", text);
        if (!ports->empty() && ports->size() <= kMany)
            fuzz_arithmetic({ports->begin() + 1, ports->end()}, ports->front(), text);
    }
}

} // namespace bpfport
