// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// sklookup by the contract. Connections are given to the socket on the target port and stay on the
// listen port; datagrams as well, and the answers to those are changed by tc.
#include <algorithm>

#include <fmt/format.h>

#include "bpfport/listener.h"
#include "engine/engines.hpp"
#include "engine/sklookup_engine.hpp"
#include "engine/sklookup_object.hpp"
#include "engine/sockname.hpp"
#include "engine/tc_hooks.hpp"
#include "kernel/bpf.hpp"
#include "kernel/map.hpp"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

namespace {

constexpr EngineInfo kSklookupInfo{
    .id = BP_ENGINE_SKLOOKUP,
    .name = "sklookup",
    .summary = "a connection to the listen port is given to the socket on the target port",
    .effect = "hands connections to the listening socket and touches no packet; firewalls, ss and "
              "tcpdump see the listen port, getsockname the target port unless --sockname listen",
    .scope = EngineScope::kInterface,
    .options = kOptionOnAbsentPass | kOptionHook | kOptionSockname | kOptionOriginalDst,
    .counts = kCountConnections,
    .changes_requests = false,
    .not_in_force = "not in force: our sk_lookup programs, or its interface, are gone",
};

bool is_udp(const RuleSpec& rule) { return rule.rule.protocol() == Protocol::kUdp; }

// For a sentence; empty: it can serve the rule.
std::string why_not_in_full(const RuleSpec& rule, const HostFacts& facts) {
    if (rule.has(BP_RULE_FORWARDED)) return "--forwarded: what this host forwards meets no socket";
    if (rule.has(BP_RULE_VLAN)) return "--vlan: sockets see tagged frames on the VLAN device";
    if (rule.has(BP_RULE_NO_LOCAL)) return "--no-local: sockets don't tell who is local";
    if (rule.has(BP_RULE_EXCLUSIVE))
        return "--exclusive: direct clients are refused packet by packet";
    if (rule.on_absent == BP_ABSENT_DROP) return "--on-absent drop: a socket can only be refused";
    if (!facts.sklookup.usable) return facts.sklookup.why_not;
    if (!rule.ifindex) return {};
    if (!facts.sklookup.has_ifindex)
        return "this kernel does not tell the interface to sk_lookup programs (5.17), so only "
               "`any` can be served";
    const Interface* interface = find_interface(facts.interfaces, rule.ifindex);
    if (interface && interface->master) {
        const Interface* master = find_interface(facts.interfaces, interface->master);
        return fmt::format("{} is a port of {}, by which its packets reach sockets",
                           interface->name, master ? master->name : "another device");
    }
    return {};
}

// A listener on a loopback address doesn't concern the rule's other clients.
bool served_by_tc(const Table& table, const RuleSpec& rule) {
    if (is_udp(rule)) return false;
    auto [first, last] = rule.rule.target();
    for (unsigned port = first; port <= last; port++)
        if (table.fallback(static_cast<std::uint16_t>(port)) & BP_FALLBACK_ALL) return true;
    return false;
}

class Sklookup final : public Engine {
  public:
    constexpr Sklookup() : Engine(kSklookupInfo) {}

    void probe(const Store& store, HostFacts& facts) const override {
        facts.sklookup = probe_sklookup();
        if (facts.sklookup.usable) facts.sklookup.why_not = why_no_sockname(store);
    }
    [[nodiscard]] std::optional<WhyNot> why_not(const RuleSpec& rule,
                                                const HostFacts& facts) const override {
        auto why = why_not_in_full(rule, facts);
        if (why.empty()) return {};
        return WhyNot{fmt::format("engine sklookup can't serve {}: {}", rule.rule.to_string(), why),
                      "--engine tc serves it"};
    }
    [[nodiscard]] std::string why_not_auto(const RuleSpec& rule,
                                           const HostFacts& facts) const override {
        if (is_udp(rule)) return "udp: with sklookup each answer would have to be changed anyway";
        auto why = why_not_in_full(rule, facts);
        if (why.empty() && wants_sockname_hooks(rule) && !facts.sklookup.why_not.empty())
            why = "getsockname() of its connections would say the listen port: " +
                  facts.sklookup.why_not;
        return why;
    }
    [[nodiscard]] std::uint16_t auto_flags() const override { return BP_RULE_FALLBACK; }
    [[nodiscard]] const char* why_auto() const override {
        return "tcp to a program on this host; tc stands by for one that uses Multipath TCP";
    }
    [[nodiscard]] std::string caveat(const RuleSpec& rule, const HostFacts& facts) const override {
        if (facts.sklookup.why_not.empty() || !wants_sockname_hooks(rule)) return {};
        return "; getsockname() of its connections will say the listen port: " +
               facts.sklookup.why_not;
    }
    // Connections that are steered need no packet to be seen.
    void wants(const RuleSpec& rule, const std::vector<Interface>& interfaces,
               WantedHooks& wanted) const override {
        if (is_udp(rule) || rule.has(BP_RULE_FALLBACK | BP_RULE_TC_FLOWS))
            add_tc_hooks(rule, interfaces, wanted);
    }
    [[nodiscard]] std::uint16_t flags_after(const RuleSpec& before,
                                            const RuleSpec& after) const override {
        bool by_tc = !is_sklookup(before) || before.has(BP_RULE_TC_FLOWS | BP_RULE_FALLBACK);
        return by_tc && !is_udp(after) ? BP_RULE_TC_FLOWS : 0;
    }
    [[nodiscard]] SlotBits slot_bits(const RuleSpec& rule) const override {
        return {BP_PORT_STEERED, !is_udp(rule) && !rule.has(BP_RULE_TC_FLOWS)};
    }
    [[nodiscard]] bool changes_replies(const RuleSpec& rule) const override { return is_udp(rule); }
    // sk_lookup runs before the kernel looks for a listener, and its map takes no Multipath TCP.
    [[nodiscard]] bool spares(const Socket& socket) const override { return !socket.mptcp; }

    // Its programs are the verifier's work, and none of the interfaces' hooks.
    [[nodiscard]] bool prepares_beside(const std::vector<RuleSpec>& rules) const override {
        return any_sklookup(rules);
    }
    // A rule that asks for sklookup and nothing else is refused where a listener is that it can't
    // serve now; one that comes later is reported by status.
    Result<void> prepare(EngineContext& context,
                         const std::vector<RuleSpec>& rules) const override {
        if (!any_sklookup(rules)) return {};
        auto programs = programs_of(context);
        BP_TRY(programs.attach(context.instance), "engine sklookup");
        std::ranges::move(programs.tell_names(rules), std::back_inserter(context.warnings));
        auto refused = programs.find_listeners(context.instance, rules);
        if (!refused) return bpfport::context("engine sklookup", refused.error());
        for (const auto& rule : rules)
            if (auto served = check_listeners(rule, context.in_force, *refused); !served)
                return served;
        return {};
    }
    // Connections that tc serves in place of sklookup outlive the need for it.
    void note(const Instance& instance, RuleSpec& rule) const override {
        if (!rule.has(BP_RULE_FALLBACK)) return;
        auto [first, last] = rule.rule.target();
        for (unsigned port = first; port <= last; port++)
            if (instance.table().fallback(static_cast<std::uint16_t>(port)))
                rule.flags |= BP_RULE_TC_FLOWS;
    }
    Result<void> settle(EngineContext& context, const std::vector<RuleSpec>& rules) const override {
        return any_sklookup(rules) ? programs_of(context).settle(context.instance, rules)
                                   : Result<void>{};
    }
    Result<void> release(EngineContext& context,
                         const std::vector<RuleSpec>& rules) const override {
        return any_sklookup(rules) ? Result<void>{} : programs_of(context).remove();
    }

    Result<void> upgrade(EngineContext& context) const override {
        return programs_of(context).upgrade(context.instance);
    }

    [[nodiscard]] std::optional<EngineReport> report(const Store& store,
                                                     const Instance& instance) const override {
        auto attachment = SklookupAttachment::open(store, instance.netns());
        if (!attachment) return {};
        EngineReport report;
        report.alive = attachment->alive();
        report.tags = {
            {"tag_lookup", program_tag(linked_program(attachment->path(), kLookupHook))},
            {"tag_listen", program_tag(linked_program(attachment->path(), kListenHook))}};
        report.sockname = attachment->sockname_alive();
        if (auto map = instance.open_pin(pins::kListeners))
            report.listeners = static_cast<unsigned>(keys_of<bp_listener_key>(*map).size());
        const unsigned count = report.listeners.value_or(0);
        report.text = fmt::format("{}, {} listening socket{}",
                                  report.alive ? "in force" : "GONE; run the attach command again",
                                  count, count == 1 ? "" : "s");
        return report;
    }
    [[nodiscard]] RuleState status(const RuleSpec& rule, const EngineLook& look) const override {
        RuleState state;
        auto found = look.reports.find(kSklookupInfo.id);
        const EngineReport report = found == look.reports.end() ? EngineReport{} : found->second;
        state.in_force =
            report.alive && (!rule.ifindex || find_interface(look.host.interfaces, rule.ifindex));
        state.by_tc = served_by_tc(look.instance.table(), rule);
        state.says_target = !rule.has(BP_RULE_SOCKNAME_LISTEN) || state.by_tc;
        if (wants_sockname(rule) && !state.by_tc)
            state.says_target = report.sockname.value_or(false);
        if (!state.by_tc) {
            state.why = rule.has(BP_RULE_FALLBACK) ? "tcp to a program on this host, tc stands by"
                                                   : "asked for";
            return state;
        }
        std::vector<Listener> listeners;
        for (const Listener& one : look.host.listeners)
            if (gives_to(rule, one.socket)) listeners.push_back(one);
        state.why =
            fmt::format("{}: what listens there {}",
                        rule.has(BP_RULE_FALLBACK) ? "tc stands in"
                                                   : "not served, which --engine auto would do",
                        why_unsteerable(listeners).text);
        return state;
    }
    void try_objects(const ObjectTrial& trial) const override { try_sklookup_object(trial); }

  private:
    static SklookupEngine programs_of(EngineContext& context) {
        return {context.store, context.instance.netns()};
    }
    static bool wants_sockname_hooks(const RuleSpec& rule) {
        return !rule.has(BP_RULE_SOCKNAME_LISTEN);
    }
    static Result<void> check_listeners(const RuleSpec& rule, const std::vector<RuleSpec>& in_force,
                                        const std::vector<RefusedListener>& refused) {
        if (!is_sklookup(rule) || rule.has(BP_RULE_FALLBACK)) return {};
        const auto is_there = [&] {
            return std::ranges::any_of(in_force, [&](const RuleSpec& old) {
                return old.id == rule.id && is_sklookup(old);
            });
        };
        for (const auto& refusal : refused)
            if (refusal.protocol == rule.rule.protocol() &&
                rule.rule.target().contains(refusal.port) && !is_there())
                return failure(fmt::format("engine sklookup can't serve port {}: {}", refusal.port,
                                           why_refused(refusal)),
                               refusal.error == EOPNOTSUPP
                                   ? "--engine auto or tc serves it; in a Go program "
                                     "GODEBUG=multipathtcp=0 turns it off"
                                   : "--engine tc serves it");
        return {};
    }
};

} // namespace

const Engine& sklookup_engine() {
    static const Sklookup engine;
    return engine;
}

} // namespace bpfport
