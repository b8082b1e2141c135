// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_keys.hpp"

#include <algorithm>
#include <array>

namespace bpfport {

namespace {

constexpr std::array kTables{
    PolicyTableName{kInDefaults, "defaults", false, "options for the entries of the same file"},
    PolicyTableName{kInInterface, "interface", true, "rules of interfaces"},
    PolicyTableName{kInCgroup, "cgroup", true, "rules and grants of a cgroup"},
    PolicyTableName{kInHost, "host", false, "options of the whole host"},
};

constexpr std::string_view kFlagForm = "true or false";
constexpr unsigned kAny = kInDefaults | kInEntry;
constexpr unsigned kPackets = kInDefaults | kInInterface; // no packet is changed on a cgroup

const std::vector<PolicyKey>& all_keys() {
    using Kind = KeyKind;
    using Options = EntryOptions;
    static const std::vector<PolicyKey> keys{
        {.name = "name",
         .tables = kInInterface,
         .kind = Kind::kScope,
         .form = "an interface, a pattern such as \"eth*\", \"any\", or a list of them"},
        {.name = "path",
         .tables = kInCgroup,
         .kind = Kind::kScope,
         .form = "the cgroup's path, such as \"/web.slice\"",
         .scope_prefix = "cgroup:"},
        {.name = "unit",
         .tables = kInCgroup,
         .kind = Kind::kScope,
         .form = "a systemd unit, such as \"web.service\"",
         .scope_prefix = "unit:"},
        {.name = "container",
         .tables = kInCgroup,
         .kind = Kind::kScope,
         .form = "a container's id or name",
         .scope_prefix = "container:"},
        {.name = "user",
         .tables = kInCgroup,
         .kind = Kind::kScope,
         .form = "a user's name or id",
         .scope_prefix = "user:"},
        {.name = "rules",
         .tables = kInEntry,
         .kind = Kind::kRules,
         .form = "a list of rules, such as [\"80:3000\", \"443:8443\"]"},
        {.name = "grants",
         .tables = kInCgroup,
         .kind = Kind::kGrants,
         .form = "a list of ports, such as [80, \"53/udp\"]"},
        {.name = "netns",
         .tables = kAny,
         .kind = Kind::kText,
         .form = "a network namespace's name or path",
         .text = &Options::netns},
        {.name = "engine",
         .tables = kPackets,
         .kind = Kind::kChoice,
         .form = "how it is done",
         .text = &Options::engine},
        {.name = "on_absent",
         .tables = kPackets,
         .kind = Kind::kChoice,
         .form = "what clients get while no program listens",
         .choices = {"reset", "drop", "pass", "next"},
         .text = &Options::on_absent},
        {.name = "xdp_mode",
         .tables = kPackets,
         .kind = Kind::kChoice,
         .form = "where an XDP program may run",
         .choices = {"native", "generic"},
         .text = &Options::xdp_mode},
        {.name = "sockname",
         .tables = kPackets,
         .kind = Kind::kChoice,
         .form = "what getsockname() returns",
         .choices = {"target", "listen"},
         .text = &Options::sockname},
        {.name = "owner",
         .tables = kAny,
         .kind = Kind::kText,
         .form = "a user, such as \"www-data\", or a cgroup, such as \"unit:web\"",
         .text = &Options::owner},
        {.name = "no_local",
         .tables = kAny,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::no_local},
        {.name = "forwarded",
         .tables = kPackets,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::forwarded},
        {.name = "vlan",
         .tables = kPackets,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::vlan},
        {.name = "exclusive",
         .tables = kPackets,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::exclusive},
        {.name = "original_dst",
         .tables = kPackets,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::original_dst},
        {.name = "force",
         .tables = kAny,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::force},
        {.name = "reserve",
         .tables = kAny,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::reserve},
        {.name = "required",
         .tables = kAny,
         .kind = Kind::kFlag,
         .form = kFlagForm,
         .flag = &Options::required},
        {.name = "hook",
         .tables = kInHost,
         .kind = Kind::kChoice,
         .form = "where tc programs go",
         .choices = {"auto", "tcx", "clsact"},
         .host_text = &HostOptions::hook},
        {.name = "flows",
         .tables = kInHost,
         .kind = Kind::kNumber,
         .form = "a number from 1024 to 16777216",
         .number = &HostOptions::flows},
        {.name = "hints",
         .tables = kInHost,
         .kind = Kind::kNumber,
         .form = "a number from 1024 to 16777216",
         .number = &HostOptions::hints},
    };
    return keys;
}

} // namespace

std::span<const PolicyTableName> policy_tables() { return kTables; }

std::span<const PolicyKey> policy_keys() { return all_keys(); }

const PolicyKey* find_policy_key(PolicyTable table, std::string_view name) {
    auto found = std::ranges::find_if(
        all_keys(), [&](const PolicyKey& key) { return (key.tables & table) && key.name == name; });
    return found == all_keys().end() ? nullptr : &*found;
}

std::vector<std::string> policy_key_names(unsigned tables) {
    std::vector<std::string> names;
    for (const auto& key : all_keys())
        if (key.tables & tables) names.emplace_back(key.name);
    return names;
}

} // namespace bpfport
