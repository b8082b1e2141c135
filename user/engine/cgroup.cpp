// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// cgroup by the contract: its rules are those of a cgroup's policy and not in the rule table; what
// brings them into force is CgroupEngine.
#include "engine/engines.hpp"

namespace bpfport {

namespace {

constexpr EngineInfo kCgroupInfo{
    .id = BP_ENGINE_CGROUP,
    .name = "cgroup",
    .summary = "the port in the system calls of a cgroup's programs is changed: bind, connect",
    .effect =
        "a bind of the listen port by a program in the cgroup becomes one of the target port, "
        "and the program is told the listen port; no packet is touched",
    .scope = EngineScope::kCgroup,
    .options = kOptionNoLocal,
    .counts = kCountCalls,
    .changes_requests = false,
    .not_in_force = "not in force",
};

class Cgroup final : public Engine {
  public:
    constexpr Cgroup() : Engine(kCgroupInfo) {}

    [[nodiscard]] std::optional<WhyNot> why_not(const RuleSpec&, const HostFacts&) const override {
        return WhyNot{"engine cgroup serves rules of cgroups", "bpfport attach cgroup:PATH ..."};
    }
    void try_objects(const ObjectTrial& trial) const override { try_cgroup_objects(trial); }
};

} // namespace

const Engine& cgroup_engine() {
    static const Cgroup engine;
    return engine;
}

} // namespace bpfport
