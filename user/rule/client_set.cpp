// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/client_set.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace bpfport {

namespace {

Result<void> check_prefix(const Prefix& prefix) {
    if (const auto masked = prefix.masked(); masked != prefix)
        return usage_error(
            fmt::format("client prefix {} has bits set behind its length", prefix.to_string()),
            fmt::format("write {} for all of it, {} for the one address", masked.to_string(),
                        prefix.address.to_string()));
    return {};
}

bool holds(const Prefix& outer, const Prefix& inner) {
    return outer.length <= inner.length && outer.contains(inner.address);
}

Result<void> check_effect(const std::vector<Prefix>& from, const std::vector<Prefix>& not_from) {
    for (const auto& out : not_from) {
        const auto whole =
            std::ranges::find_if(from, [&](const auto& in) { return holds(out, in); });
        if (whole != from.end())
            return usage_error(fmt::format("client prefix {} is taken out by -{}",
                                           whole->to_string(), out.to_string()),
                               "leave one of the two out");
        if (!from.empty() &&
            std::ranges::none_of(from, [&](const auto& in) { return holds(in, out); }))
            return usage_error(
                fmt::format("client prefix -{} takes nothing out", out.to_string()),
                "it is within none of the others; without those it would mean all but these");
    }
    return {};
}

void sort_once(std::vector<Prefix>& prefixes) {
    std::ranges::sort(prefixes);
    prefixes.erase(std::ranges::unique(prefixes).begin(), prefixes.end());
}

Result<Prefix> parse_client(std::string_view place, std::string_view text) {
    if (auto prefix = parse_prefix(text)) return *prefix;
    if (text.empty())
        return usage_error(fmt::format("{}: a prefix is empty", place),
                           "write prefixes with ',' between them: 192.0.2.0/24,2001:db8::/32");
    return usage_error(fmt::format("{}: {:?} is not an address or prefix", place, text),
                       "write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32, without brackets");
}

// Calls take(word) for each word between commas, as long as it succeeds.
Result<void> each_word(std::string_view text, auto&& take) {
    for (;;) {
        auto comma = text.find(',');
        if (auto taken = take(text.substr(0, comma)); !taken) return taken;
        if (comma == text.npos) return {};
        text.remove_prefix(comma + 1);
    }
}

} // namespace

Result<ClientSet> ClientSet::make(std::vector<Prefix> from, std::vector<Prefix> not_from) {
    for (auto* prefixes : {&from, &not_from}) {
        for (const auto& prefix : *prefixes)
            if (auto checked = check_prefix(prefix); !checked)
                return std::unexpected(checked.error());
        sort_once(*prefixes);
    }
    if (auto checked = check_effect(from, not_from); !checked)
        return std::unexpected(checked.error());
    return ClientSet(std::move(from), std::move(not_from));
}

bool ClientSet::contains(const Address& client) const {
    const auto has = [&](const Prefix& prefix) { return prefix.contains(client); };
    return (from_.empty() || std::ranges::any_of(from_, has)) &&
           std::ranges::none_of(not_from_, has);
}

bool ClientSet::ties_with(const ClientSet& other) const {
    if (from_.empty() || other.from_.empty())
        return from_.empty() && other.from_.empty() && not_from_.empty() == other.not_from_.empty();
    return std::ranges::any_of(from_, [&](const Prefix& prefix) {
        return std::ranges::binary_search(other.from_, prefix);
    });
}

std::string ClientSet::to_string() const {
    std::string text;
    for (const auto& prefix : from_)
        text += fmt::format("{}{}", text.empty() ? "" : ",", prefix.to_string());
    for (const auto& prefix : not_from_)
        text += fmt::format("{}-{}", text.empty() ? "" : ",", prefix.to_string());
    return text;
}

Result<std::vector<Prefix>> parse_prefix_list(std::string_view place, std::string_view text) {
    std::vector<Prefix> prefixes;
    auto read = each_word(text, [&](std::string_view word) -> Result<void> {
        auto prefix = parse_client(place, word);
        if (!prefix) return std::unexpected(prefix.error());
        prefixes.push_back(*prefix);
        return {};
    });
    if (!read) return std::unexpected(read.error());
    return prefixes;
}

Result<ClientSet> parse_clients(std::string_view text) {
    std::vector<Prefix> from, not_from;
    auto read = each_word(text, [&](std::string_view word) -> Result<void> {
        const bool out = word.starts_with('-');
        auto prefix = parse_client("clients", word.substr(out ? 1 : 0));
        if (!prefix) return std::unexpected(prefix.error());
        (out ? not_from : from).push_back(*prefix);
        return {};
    });
    if (!read) return std::unexpected(read.error());
    return ClientSet::make(std::move(from), std::move(not_from));
}

} // namespace bpfport
