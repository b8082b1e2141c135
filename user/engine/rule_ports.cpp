// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/rule_ports.hpp"

#include <utility>

namespace bpfport {

namespace {

std::size_t index_of(const InstalledRule& rule) {
    return rule.rule.protocol() == Protocol::kTcp ? BP_TCP : BP_UDP;
}

} // namespace

RulePorts::RulePorts(std::span<const InstalledRule> rules, Which which) {
    for (const auto& rule : rules) {
        PortList& ports = ports_[index_of(rule)];
        ports.push_back(rule.rule.listen());
        if (which == Which::kAll) ports.push_back(rule.rule.target());
    }
    for (auto& ports : ports_) ports = merged(std::move(ports));
}

bool RulePorts::has_listen_port_of(const InstalledRule& rule) const {
    return have_any(ports_[index_of(rule)], rule.rule.listen());
}

bool RulePorts::has_target_port_of(const InstalledRule& rule) const {
    return have_any(ports_[index_of(rule)], rule.rule.target());
}

} // namespace bpfport
