// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/entry_request.hpp"

#include <array>

#include "bpfport/listener.h"
#include "engine/registry.hpp"

namespace bpfport {

namespace {

constexpr std::array<const char*, 4> kOnAbsent{"reset", "drop", "pass", "next"};
static_assert(BP_ABSENT_RESET == 0 && BP_ABSENT_DROP == 1 && BP_ABSENT_PASS == 2 &&
              BP_ABSENT_NEXT == 3);

} // namespace

const char* on_absent_word(std::uint8_t on_absent) { return kOnAbsent.at(on_absent); }

AttachRequest attach_request(const EntryOptions& options) {
    AttachRequest request;
    for (std::uint8_t value = 0; value < kOnAbsent.size(); value++)
        if (options.on_absent == kOnAbsent[value]) request.on_absent = value;
    request.engine = find_engine(options.engine); // "auto": none
    if (options.xdp_mode == "generic") request.flags |= BP_RULE_XDP_GENERIC;
    if (options.no_local) request.flags |= BP_RULE_NO_LOCAL;
    if (options.forwarded) request.flags |= BP_RULE_FORWARDED;
    if (options.vlan) request.flags |= BP_RULE_VLAN;
    if (options.exclusive) request.flags |= BP_RULE_EXCLUSIVE;
    if (options.original_dst) request.flags |= BP_RULE_ORIGINAL_DST;
    if (options.sockname == "listen") request.flags |= BP_RULE_SOCKNAME_LISTEN;
    request.force = options.force;
    return request;
}

EntryOptions entry_options(const RuleSpec& rule) {
    EntryOptions options;
    // Only `auto` has another engine stand by.
    options.engine = rule.has(BP_RULE_FALLBACK) ? "auto" : engine_name(rule.engine);
    options.on_absent = on_absent_word(rule.on_absent);
    if (rule.has(BP_RULE_XDP_GENERIC)) options.xdp_mode = "generic";
    if (rule.has(BP_RULE_SOCKNAME_LISTEN)) options.sockname = "listen";
    options.no_local = rule.has(BP_RULE_NO_LOCAL);
    options.forwarded = rule.has(BP_RULE_FORWARDED);
    options.vlan = rule.has(BP_RULE_VLAN);
    options.exclusive = rule.has(BP_RULE_EXCLUSIVE);
    options.original_dst = rule.has(BP_RULE_ORIGINAL_DST);
    return options;
}

unsigned given_options(const EntryOptions& options) {
    unsigned given = 0;
    for (auto [is_given, option] : {std::pair{options.forwarded, kOptionForwarded},
                                    {options.vlan, kOptionVlan},
                                    {options.no_local, kOptionNoLocal},
                                    {options.exclusive, kOptionExclusive},
                                    {options.original_dst, kOptionOriginalDst},
                                    {options.on_absent == "drop", kOptionOnAbsentDrop},
                                    {options.on_absent == "pass", kOptionOnAbsentPass},
                                    {options.xdp_mode != "native", kOptionXdpMode},
                                    {options.sockname != "target", kOptionSockname}})
        if (is_given) given |= option;
    return given;
}

HookChoice hook_choice(std::string_view word) {
    return word == "tcx"      ? HookChoice::kTcx
           : word == "clsact" ? HookChoice::kClsact
                              : HookChoice::kAuto;
}

} // namespace bpfport
