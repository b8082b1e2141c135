// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What an engine does that has nothing of its own to do.
#include "engine/contract.hpp"

namespace bpfport {

void Engine::probe(const Store&, HostFacts&) const {}

std::optional<WhyNot> Engine::why_not(const RuleSpec&, const HostFacts&) const { return {}; }

std::string Engine::why_not_auto(const RuleSpec&, const HostFacts&) const {
    return "only when it is asked for";
}

std::string Engine::caveat(const RuleSpec&, const HostFacts&) const { return {}; }

void Engine::wants(const RuleSpec&, const std::vector<Interface>&, WantedHooks&) const {}

std::uint16_t Engine::flags_after(const RuleSpec&, const RuleSpec&) const { return 0; }

SlotBits Engine::slot_bits(const RuleSpec&) const { return {}; }

bool Engine::changes_replies(const RuleSpec&) const { return info_.changes_requests; }

bool Engine::spares(const Socket&) const { return true; }

bool Engine::prepares_beside(const std::vector<RuleSpec>&) const { return false; }

Result<void> Engine::prepare(EngineContext&, const std::vector<RuleSpec>&) const { return {}; }

void Engine::note(const Instance&, RuleSpec&) const {}

Result<void> Engine::settle(EngineContext&, const std::vector<RuleSpec>&) const { return {}; }

Result<void> Engine::release(EngineContext&, const std::vector<RuleSpec>&) const { return {}; }

Result<void> Engine::upgrade(EngineContext&) const { return {}; }

std::optional<EngineReport> Engine::report(const Store&, const Instance&) const { return {}; }

RuleState Engine::status(const RuleSpec&, const EngineLook&) const { return {}; }

void Engine::try_objects(const ObjectTrial&) const {}

} // namespace bpfport
