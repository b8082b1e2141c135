// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// tc by the contract. Its programs are those of the instance, which every interface and lo run.
#include "engine/engines.hpp"
#include "engine/option_program.hpp"
#include "engine/registry.hpp"
#include "engine/tc_hooks.hpp"
#include "engine/tc_object.hpp"

namespace bpfport {

namespace {

constexpr EngineInfo kTcInfo{
    .id = BP_ENGINE_TC,
    .name = "tc",
    .summary = "ports are rewritten in each packet, at tc ingress and egress",
    .effect =
        "serves tcp and udp on any device and needs nothing of the program behind it; firewalls "
        "and getsockname see the target port, peers and tcpdump the listen port",
    .scope = EngineScope::kInterface,
    .options = kOptionForwarded | kOptionVlan | kOptionNoLocal | kOptionExclusive |
               kOptionOnAbsentDrop | kOptionOnAbsentPass | kOptionHook | kOptionOriginalDst,
    .counts = kCountPackets | kCountConnections,
    .changes_requests = true,
    .not_in_force = "not in force: its interface has no hooks of ours",
};

class Tc final : public Engine {
  public:
    constexpr Tc() : Engine(kTcInfo) {}

    [[nodiscard]] std::string why_not_auto(const RuleSpec&, const HostFacts&) const override {
        return {};
    }
    void wants(const RuleSpec& rule, const std::vector<Interface>& interfaces,
               WantedHooks& wanted) const override {
        add_tc_hooks(rule, interfaces, wanted);
    }
    // Of the rules of all engines that want tc hooks: they share them, and the programs of options.
    Result<void> prepare(EngineContext& context,
                         const std::vector<RuleSpec>& rules) const override {
        auto made = hooks(context).make(context.instance, rules, context.hook);
        return made ? attach_option_programs(context.instance, rules) : made;
    }
    Result<void> release(EngineContext& context,
                         const std::vector<RuleSpec>& rules) const override {
        auto removed = hooks(context).remove_unneeded(rules);
        return removed ? remove_option_programs(context.instance, rules) : removed;
    }
    Result<void> upgrade(EngineContext& context) const override {
        auto upgraded = hooks(context).upgrade(context.instance);
        return upgraded ? upgrade_option_programs(context.instance) : upgraded;
    }
    [[nodiscard]] RuleState status(const RuleSpec& rule, const EngineLook& look) const override {
        RuleState state;
        state.in_force = !rule.ifindex || look.hooked.contains(rule.ifindex);
        state.why = rule.rule.protocol() == Protocol::kUdp ? "udp" : passed_over(rule, look.host);
        return state;
    }
    void try_objects(const ObjectTrial& trial) const override { try_tc_objects(trial); }

  private:
    static TcHooks hooks(EngineContext& context) {
        return {context.store, context.instance.netns(), context.interfaces};
    }
    // Why an engine that `auto` asks first did not get the rule. What the kernel can do was probed when
    // the rule was attached; here it is assumed to do all.
    static std::string passed_over(const RuleSpec& rule, HostFacts facts) {
        facts.sklookup = {true, {}, true};
        auto why_not = sklookup_engine().why_not_auto(rule, facts);
        return why_not.empty() ? "asked for, or this host can't do all of sklookup" : why_not;
    }
};

} // namespace

const Engine& tc_engine() {
    static const Tc engine;
    return engine;
}

} // namespace bpfport
