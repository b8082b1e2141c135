// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_option.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernel/netns.hpp"
#include "rule/scope.hpp"

namespace bpfport {

namespace {

using Kind = TomlValue::Kind;

std::vector<std::string> choices_of(const PolicyKey& key, std::span<const std::string> engines) {
    if (key.choices.empty()) return {engines.begin(), engines.end()};
    return {key.choices.begin(), key.choices.end()};
}

std::string written(const TomlValue& value) {
    if (value.kind == Kind::kText) return fmt::format("{:?}", value.text);
    if (value.kind == Kind::kInteger) return fmt::format("{}", value.integer);
    return std::string(value.kind_name());
}

Result<std::string> read_choice(const PolicyKey& key, const TomlValue& value,
                                std::span<const std::string> engines) {
    const auto choices = choices_of(key, engines);
    if (value.kind == Kind::kText && std::ranges::find(choices, value.text) != choices.end())
        return value.text;
    return std::unexpected(wrong_value(key, value, engines));
}

Result<void> check_netns(const std::string& text) {
    if (text.find_first_not_of("0123456789") == text.npos)
        return usage_error(fmt::format("netns {:?} is a process id", text),
                           "a policy outlives processes; write a name of ip netns, or a path");
    auto parsed = parse_netns(text);
    return parsed ? Result<void>{} : std::unexpected(parsed.error());
}

// Whether there is such a user is the host's to say, when the policy is applied.
Result<void> check_owner(const PolicyKey& key, const std::string& text) {
    if (text.find(':') == text.npos && !text.starts_with('/')) return {};
    auto scope = parse_scope(text);
    if (!scope) return context("owner", scope.error());
    if (scope->is_cgroup() && scope->kind() != Scope::Kind::kPid) return {};
    return usage_error(fmt::format("owner {:?} is no user and no cgroup", text),
                       fmt::format("write {}", key.form));
}

} // namespace

Error wrong_value(const PolicyKey& key, const TomlValue& value,
                  std::span<const std::string> engines) {
    std::string form(key.form);
    if (key.kind == KeyKind::kChoice) {
        std::vector<std::string> words;
        for (const auto& word : choices_of(key, engines))
            words.push_back(fmt::format("{:?}", word));
        form = fmt::format("{}: {}", fmt::join(words, ", "), key.form);
    }
    return usage_error(fmt::format("{} is {}", key.name, written(value)),
                       fmt::format("write {}", form))
        .error();
}

Result<void> set_option(const PolicyKey& key, const TomlValue& value,
                        std::span<const std::string> engines, EntryOptions& options) {
    if (key.kind == KeyKind::kFlag) {
        if (value.kind != Kind::kFlag) return std::unexpected(wrong_value(key, value, engines));
        options.*key.flag = value.flag;
        return {};
    }
    if (key.kind == KeyKind::kChoice) {
        auto choice = read_choice(key, value, engines);
        if (!choice) return std::unexpected(choice.error());
        options.*key.text = std::move(*choice);
        return {};
    }
    if (value.kind != Kind::kText || value.text.empty())
        return std::unexpected(wrong_value(key, value, engines));
    auto fits =
        key.text == &EntryOptions::netns ? check_netns(value.text) : check_owner(key, value.text);
    if (fits) options.*key.text = value.text;
    return fits;
}

Result<void> set_option(const PolicyKey& key, const TomlValue& value, HostOptions& options) {
    if (key.kind == KeyKind::kChoice) {
        auto choice = read_choice(key, value, {});
        if (!choice) return std::unexpected(choice.error());
        options.*key.host_text = std::move(*choice);
        return {};
    }
    if (value.kind != Kind::kInteger || value.integer < kFewestEntries ||
        value.integer > kMostEntries)
        return std::unexpected(wrong_value(key, value, {}));
    options.*key.number = static_cast<std::uint32_t>(value.integer);
    return {};
}

} // namespace bpfport
