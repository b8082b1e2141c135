// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/choice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bpfport/listener.h"
#include "bpfport/meta.h"

namespace bpfport {

namespace {

struct EngineFacts {
    std::uint32_t engine;
    const char* name;
    const char* text;
};

constexpr EngineFacts kEngines[] = {
    {BP_ENGINE_TC, "tc",
     "serves tcp and udp on any device and needs nothing of the program behind it; firewalls and "
     "getsockname see the target port, peers and tcpdump the listen port"},
    {BP_ENGINE_XDP, "xdp",
     "redirects known flows in the network driver, tc does the rest; firewalls and getsockname see "
     "the target port, peers the listen port, tcpdump the target port in and the listen port out"},
    {BP_ENGINE_SKLOOKUP, "sklookup",
     "hands connections to the listening socket and touches no packet; firewalls, ss and tcpdump "
     "see the listen port, getsockname the target port unless --sockname listen"},
    {BP_ENGINE_CGROUP, "cgroup", "changes the ports of system calls and touches no packet"},
};

const EngineFacts* facts_of(std::uint32_t engine) {
    auto known = std::ranges::find(kEngines, engine, &EngineFacts::engine);
    return known == std::end(kEngines) ? nullptr : known;
}

} // namespace

std::vector<std::string> engine_choices() { return {"auto", "tc", "xdp", "sklookup"}; }

EngineChoice parse_engine_choice(const std::string& word) {
    if (word == "tc") return EngineChoice::kTc;
    if (word == "xdp") return EngineChoice::kXdp;
    if (word == "sklookup") return EngineChoice::kSklookup;
    return EngineChoice::kAuto;
}

std::string why_not_sklookup(const InstalledRule& rule, const EngineHost& host) {
    if (rule.has(BP_RULE_FORWARDED)) return "--forwarded: what this host forwards meets no socket";
    if (rule.has(BP_RULE_VLAN)) return "--vlan: sockets see tagged frames on the VLAN device";
    if (rule.has(BP_RULE_NO_LOCAL)) return "--no-local: sockets don't tell who is local";
    if (rule.has(BP_RULE_EXCLUSIVE))
        return "--exclusive: direct clients are refused packet by packet";
    if (rule.on_absent == BP_ABSENT_DROP) return "--on-absent drop: a socket can only be refused";
    if (!host.sklookup.usable) return host.sklookup.why_not;
    if (!rule.ifindex) return {};
    if (!host.sklookup.has_ifindex)
        return "this kernel does not tell the interface to sk_lookup programs (5.17), so only "
               "`any` "
               "can be served";
    auto interface = std::ranges::find(host.interfaces, rule.ifindex, &Interface::ifindex);
    if (interface != host.interfaces.end() && interface->master) {
        auto master = std::ranges::find(host.interfaces, interface->master, &Interface::ifindex);
        return fmt::format("{} is a port of {}, by which its packets reach sockets",
                           interface->name,
                           master == host.interfaces.end() ? "another device" : master->name);
    }
    return {};
}

namespace {

Result<ChosenEngine> choose_auto(const InstalledRule& rule, const EngineHost& host) {
    bool udp = rule.rule.protocol() == Protocol::kUdp;
    auto why_not = udp ? "udp: with sklookup each answer would have to be changed anyway"
                       : why_not_sklookup(rule, host);
    if (why_not.empty() && !rule.has(BP_RULE_SOCKNAME_LISTEN) && !host.sklookup.why_not.empty())
        why_not =
            "getsockname() of its connections would say the listen port: " + host.sklookup.why_not;
    if (!why_not.empty()) return ChosenEngine{BP_ENGINE_TC, 0, "not sklookup: " + why_not};
    return ChosenEngine{BP_ENGINE_SKLOOKUP, BP_RULE_STANDBY,
                        "tcp to a program on this host; tc stands by for one that uses "
                        "Multipath TCP"};
}

Result<ChosenEngine> choose(EngineChoice wanted, const InstalledRule& rule,
                            const EngineHost& host) {
    switch (wanted) {
    case EngineChoice::kAuto:
        return choose_auto(rule, host);
    case EngineChoice::kTc:
        return ChosenEngine{BP_ENGINE_TC, 0, "asked for"};
    case EngineChoice::kXdp:
        return ChosenEngine{BP_ENGINE_XDP, 0, "asked for"};
    case EngineChoice::kSklookup: {
        auto why_not = why_not_sklookup(rule, host);
        if (!why_not.empty())
            return failure(
                fmt::format("engine sklookup can't serve {}: {}", rule.rule.to_string(), why_not),
                "--engine tc serves it");
        ChosenEngine chosen{BP_ENGINE_SKLOOKUP, 0, "asked for"};
        if (!host.sklookup.why_not.empty() && !rule.has(BP_RULE_SOCKNAME_LISTEN))
            chosen.why += "; getsockname() of its connections will say the listen port: " +
                          host.sklookup.why_not;
        return chosen;
    }
    }
    return failure("no such engine");
}

} // namespace

Result<ChosenEngine> choose_engine(EngineChoice wanted, const InstalledRule& rule,
                                   const EngineHost& host) {
    auto chosen = choose(wanted, rule, host);
    if (!chosen || !rule.has(BP_RULE_SOCKNAME_LISTEN) || chosen->engine == BP_ENGINE_SKLOOKUP)
        return chosen;
    return failure(fmt::format("--sockname listen: {} is served by engine {} ({}), whose "
                               "connections are on the target port",
                               rule.rule.to_string(), engine_name(chosen->engine), chosen->why),
                   "only engine sklookup can tell the listen port; leave the option out");
}

const char* engine_name(std::uint32_t engine) {
    const EngineFacts* facts = facts_of(engine);
    return facts ? facts->name : "unknown";
}

const char* engine_text(std::uint32_t engine) {
    const EngineFacts* facts = facts_of(engine);
    return facts ? facts->text : "";
}

} // namespace bpfport
