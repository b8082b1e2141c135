// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// xdp by the contract: programs in front of the tc hooks, which do what XDP leaves to them.
#include "engine/engines.hpp"
#include "engine/tc_hooks.hpp"
#include "engine/xdp_hooks.hpp"

namespace bpfport {

namespace {

constexpr EngineInfo kXdpInfo{
    .id = BP_ENGINE_XDP,
    .name = "xdp",
    .summary = "the same in the network driver, before the kernel has made an skb; replies by tc",
    .effect =
        "redirects known flows in the network driver, tc does the rest; firewalls and "
        "getsockname see the target port, peers the listen port, tcpdump the target port in and "
        "the listen port out",
    .scope = EngineScope::kInterface,
    .options = kOptionForwarded | kOptionVlan | kOptionNoLocal | kOptionExclusive |
               kOptionOnAbsentDrop | kOptionOnAbsentPass | kOptionHook | kOptionXdpMode |
               kOptionOriginalDst,
    .counts = kCountPackets | kCountConnections,
    .changes_requests = true,
    .not_in_force = "not in force: its interface has no hooks of ours",
};

class Xdp final : public Engine {
  public:
    constexpr Xdp() : Engine(kXdpInfo) {}

    [[nodiscard]] std::optional<WhyNot> why_not(const RuleSpec& rule,
                                                const HostFacts& facts) const override {
        for (const auto& interface : facts.interfaces)
            if (interface.ifindex == rule.ifindex) return why_no_xdp(interface);
        return {};
    }
    void wants(const RuleSpec& rule, const std::vector<Interface>& interfaces,
               WantedHooks& wanted) const override {
        add_tc_hooks(rule, interfaces, wanted);
        add_xdp(rule, interfaces, wanted);
    }
    Result<void> prepare(EngineContext& context,
                         const std::vector<RuleSpec>& rules) const override {
        auto warnings = hooks(context).make(rules);
        if (!warnings) return std::unexpected(warnings.error());
        context.warnings.insert(context.warnings.end(), warnings->begin(), warnings->end());
        return {};
    }
    Result<void> release(EngineContext& context,
                         const std::vector<RuleSpec>& rules) const override {
        return hooks(context).remove_unneeded(rules);
    }
    Result<void> upgrade(EngineContext& context) const override { return hooks(context).upgrade(); }
    [[nodiscard]] RuleState status(const RuleSpec& rule, const EngineLook& look) const override {
        RuleState state;
        state.in_force = !rule.ifindex || look.hooked.contains(rule.ifindex);
        state.reduced = rule.ifindex ? !look.by_xdp.contains(rule.ifindex) : look.by_xdp.empty();
        return state;
    }
    void try_objects(const ObjectTrial& trial) const override { try_xdp_object(trial); }

  private:
    static XdpHooks hooks(EngineContext& context) {
        return {context.store, context.instance, context.interfaces};
    }
};

} // namespace

const Engine& xdp_engine() {
    static const Xdp engine;
    return engine;
}

} // namespace bpfport
