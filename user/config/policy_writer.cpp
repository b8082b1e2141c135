// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_writer.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "config/policy_keys.hpp"

namespace bpfport {

namespace {

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + "\"";
}

std::string list(const std::vector<std::string>& items) {
    constexpr std::size_t kOnOneLine = 4;
    if (items.size() <= kOnOneLine) return fmt::format("[{}]", fmt::join(items, ", "));
    return fmt::format("[\n    {},\n]", fmt::join(items, ",\n    "));
}

template <typename Value>
std::vector<std::string> texts(const std::vector<Written<Value>>& values) {
    std::vector<std::string> all;
    for (const auto& value : values) all.push_back(quoted(value.value.to_string()));
    return all;
}

// "cgroup:/web.slice" is written as the path alone.
std::string scopes_text(const PolicyEntry& entry, const PolicyKey& key) {
    std::vector<std::string> names;
    for (const auto& scope : entry.scopes) {
        const auto text = scope.value.to_string();
        if (text.starts_with(key.scope_prefix))
            names.push_back(quoted(text.substr(key.scope_prefix.size())));
    }
    if (names.empty()) return {};
    return names.size() == 1 ? names.front() : list(names);
}

std::string value_text(const PolicyEntry& entry, const PolicyKey& key) {
    static const EntryOptions usual;
    if (key.kind == KeyKind::kScope) return scopes_text(entry, key);
    if (key.kind == KeyKind::kRules) {
        auto rules = texts(entry.rules);
        std::ranges::move(texts(entry.autos), std::back_inserter(rules));
        return rules.empty() ? "" : list(rules);
    }
    if (key.kind == KeyKind::kGrants) return entry.grants.empty() ? "" : list(texts(entry.grants));
    if (key.flag) return entry.options.*key.flag == usual.*key.flag ? "" : "true";
    return entry.options.*key.text == usual.*key.text ? "" : quoted(entry.options.*key.text);
}

std::string host_text(const HostOptions& host) {
    static const HostOptions usual;
    std::string text;
    for (const auto& key : policy_keys()) {
        if (!(key.tables & kInHost)) continue;
        if (key.host_text && host.*key.host_text != usual.*key.host_text)
            text += fmt::format("{} = {}\n", key.name, quoted(host.*key.host_text));
        if (key.number && host.*key.number)
            text += fmt::format("{} = {}\n", key.name, host.*key.number);
    }
    return text.empty() ? "" : fmt::format("\n[host]\n{}", text);
}

} // namespace

std::string policy_text(const HostPolicy& policy) {
    std::string text = host_text(policy.host);
    for (const auto& entry : policy.entries) {
        const PolicyTable table = entry.on_cgroup ? kInCgroup : kInInterface;
        text += entry.on_cgroup ? "\n[[cgroup]]\n" : "\n[[interface]]\n";
        for (const auto& key : policy_keys())
            if (key.tables & table)
                if (const auto value = value_text(entry, key); !value.empty())
                    text += fmt::format("{} = {}\n", key.name, value);
    }
    return text;
}

bool is_writable_name(const std::string& name) { return printable(name) == name; }

} // namespace bpfport
