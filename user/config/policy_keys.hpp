// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The keys of a policy file: where each may be, what it accepts, and what it sets. A new option of a rule is a
// member of EntryOptions, a row here, and a property of packaging/policy/policy.schema.json.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/host_policy.hpp"

namespace bpfport {

enum PolicyTable : unsigned {
    kInDefaults = 1 << 0,
    kInInterface = 1 << 1,
    kInCgroup = 1 << 2,
    kInHost = 1 << 3,
    kInEntry = kInInterface | kInCgroup,
};

struct PolicyTableName {
    PolicyTable table;
    std::string_view name;
    bool repeated;         // [[name]]
    std::string_view what; // in words
};
std::span<const PolicyTableName> policy_tables();

enum class KeyKind { kText, kChoice, kFlag, kNumber, kScope, kRules, kGrants };

struct PolicyKey {
    std::string_view name;
    unsigned tables; // PolicyTable
    KeyKind kind;
    std::string_view form;                         // what is accepted, after "write "
    std::vector<std::string_view> choices = {};    // of kChoice; empty: the engines
    std::string EntryOptions::*text = nullptr;     // of kText and kChoice
    bool EntryOptions::*flag = nullptr;            // of kFlag
    std::string HostOptions::*host_text = nullptr; // of kChoice in [host]
    std::uint32_t HostOptions::*number = nullptr;  // of kNumber
    std::string_view scope_prefix = {}; // of kScope: what parse_scope() expects before it
};
std::span<const PolicyKey> policy_keys();

// Of [host]; the same as those of attach.
inline constexpr std::uint32_t kFewestEntries = 1024, kMostEntries = 16U << 20;

const PolicyKey* find_policy_key(PolicyTable table, std::string_view name);
// Those of a table, for hints and for the schema's test.
std::vector<std::string> policy_key_names(unsigned tables);

} // namespace bpfport
