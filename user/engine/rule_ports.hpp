// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// RulePorts: the listen ports of some rules, and their target ports if asked: a first look at each of the
// many others that are in force, most of which have nothing to do with them.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "rule/port.hpp"
#include "state/rule_spec.hpp"

namespace bpfport {

class RulePorts {
  public:
    enum class Which : std::uint8_t { kListen, kAll };
    RulePorts(std::span<const RuleSpec> rules, Which which);

    // Whether it has one of the rule's listen ports, or target ports, for the rule's protocol.
    [[nodiscard]] bool has_listen_port_of(const RuleSpec& rule) const;
    [[nodiscard]] bool has_target_port_of(const RuleSpec& rule) const;

  private:
    std::array<PortList, BP_PROTOS> ports_;
};

} // namespace bpfport
