// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/rule_ports.hpp"

#include <utility>

#include "rule/raw_protocol.hpp"

namespace bpfport {

RulePorts::RulePorts(std::span<const RuleSpec> rules, Which which) {
    for (const auto& rule : rules) {
        PortList& ports = ports_[raw_protocol(rule.rule.protocol())];
        ports.push_back(rule.rule.listen());
        if (which == Which::kAll) ports.push_back(rule.rule.target());
    }
    for (auto& ports : ports_) ports = merged(std::move(ports));
}

bool RulePorts::has_listen_port_of(const RuleSpec& rule) const {
    return have_any(ports_[raw_protocol(rule.rule.protocol())], rule.rule.listen());
}

bool RulePorts::has_target_port_of(const RuleSpec& rule) const {
    return have_any(ports_[raw_protocol(rule.rule.protocol())], rule.rule.target());
}

} // namespace bpfport
