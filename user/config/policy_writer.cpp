// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_writer.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "config/policy_keys.hpp"

namespace bpfport {

namespace {

std::string list(const std::vector<std::string>& items) {
    constexpr std::size_t kOnOneLine = 4;
    if (items.size() <= kOnOneLine) return fmt::format("[{}]", fmt::join(items, ", "));
    return fmt::format("[\n    {},\n]", fmt::join(items, ",\n    "));
}

template <typename Value>
std::vector<std::string> texts(const std::vector<Written<Value>>& values) {
    std::vector<std::string> all;
    for (const auto& value : values) all.push_back(quoted_text(value.value.to_string()));
    return all;
}

// "cgroup:/web.slice" is written as the path alone.
std::string scopes_text(const PolicyEntry& entry, const PolicyKey& key) {
    std::vector<std::string> names;
    for (const auto& scope : entry.scopes) {
        const auto text = scope.value.to_string();
        if (text.starts_with(key.scope_prefix))
            names.push_back(quoted_text(text.substr(key.scope_prefix.size())));
    }
    if (names.empty()) return {};
    return names.size() == 1 ? names.front() : list(names);
}

std::string value_text(const PolicyEntry& entry, const PolicyKey& key,
                       const EntryOptions& defaults) {
    if (key.kind == KeyKind::kScope) return scopes_text(entry, key);
    if (key.kind == KeyKind::kRules) {
        auto rules = texts(entry.rules);
        std::ranges::move(texts(entry.autos), std::back_inserter(rules));
        return rules.empty() ? "" : list(rules);
    }
    if (key.kind == KeyKind::kGrants) return entry.grants.empty() ? "" : list(texts(entry.grants));
    if (key.flag) {
        const bool set = entry.options.*key.flag;
        return set == defaults.*key.flag ? "" : fmt::format("{}", set);
    }
    return entry.options.*key.text == defaults.*key.text ? ""
                                                         : quoted_text(entry.options.*key.text);
}

std::string host_text(const HostOptions& host) {
    static const HostOptions usual;
    std::string text;
    for (const auto& key : policy_keys()) {
        if (!(key.tables & kInHost)) continue;
        if (key.host_text && host.*key.host_text != usual.*key.host_text)
            text += fmt::format("{} = {}\n", key.name, quoted_text(host.*key.host_text));
        if (key.number && host.*key.number)
            text += fmt::format("{} = {}\n", key.name, host.*key.number);
    }
    return text.empty() ? "" : fmt::format("\n[host]\n{}", text);
}

} // namespace

std::string quoted_text(const std::string& text) {
    std::string result = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + "\"";
}

std::vector<std::string> entry_lines(const PolicyEntry& entry, const EntryOptions& defaults) {
    std::vector<std::string> lines;
    for (const auto& key : policy_keys())
        if (key.tables & (entry.on_cgroup ? kInCgroup : kInInterface))
            if (const auto value = value_text(entry, key, defaults); !value.empty())
                lines.push_back(fmt::format("{} = {}", key.name, value));
    return lines;
}

std::string policy_text(const HostPolicy& policy) {
    std::string text = host_text(policy.host);
    for (const auto& entry : policy.entries)
        text += fmt::format("\n[[{}]]\n{}\n", entry.on_cgroup ? "cgroup" : "interface",
                            fmt::join(entry_lines(entry, {}), "\n"));
    return text;
}

bool is_writable_name(const std::string& name) { return printable(name) == name; }

} // namespace bpfport
