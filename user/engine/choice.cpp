// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/choice.hpp"

#include <algorithm>

#include <fmt/format.h>

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
     "hands connections to the listening socket and touches no packet; firewalls, tcpdump and "
     "getsockname see the listen port"},
    {BP_ENGINE_CGROUP, "cgroup", "changes the ports of system calls and touches no packet"},
};

const EngineFacts* facts_of(std::uint32_t engine) {
    auto known = std::ranges::find(kEngines, engine, &EngineFacts::engine);
    return known == std::end(kEngines) ? nullptr : known;
}

std::unexpected<Error> not_built(const char* name) {
    return failure(fmt::format("engine {} is not built into this version", name),
                   "--engine tc serves every rule");
}

} // namespace

std::vector<std::string> engine_choices() { return {"auto", "tc", "xdp", "sklookup"}; }

EngineChoice parse_engine_choice(const std::string& word) {
    if (word == "tc") return EngineChoice::kTc;
    if (word == "xdp") return EngineChoice::kXdp;
    if (word == "sklookup") return EngineChoice::kSklookup;
    return EngineChoice::kAuto;
}

Result<ChosenEngine> choose_engine(EngineChoice wanted, [[maybe_unused]] const Rule& rule) {
    switch (wanted) {
    case EngineChoice::kAuto:
        return ChosenEngine{BP_ENGINE_TC, "it serves every rule on every device"};
    case EngineChoice::kTc:
        return ChosenEngine{BP_ENGINE_TC, "asked for"};
    case EngineChoice::kXdp:
        return ChosenEngine{BP_ENGINE_XDP, "asked for"};
    case EngineChoice::kSklookup:
        return not_built("sklookup");
    }
    return failure("no such engine");
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
