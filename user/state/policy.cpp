// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/policy.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "kernel/grace_period.hpp"
#include "rule/raw_protocol.hpp"

namespace bpfport {

namespace {

// The lowest places that nobody has, for those without one.
template <typename T>
Result<std::vector<std::uint32_t>> give_places(std::vector<T>& things, unsigned room,
                                               const char* what) {
    std::set<unsigned> taken;
    std::vector<std::uint32_t> given;
    for (const auto& thing : things) taken.insert(thing.place);
    unsigned next = 0;
    for (auto& thing : things) {
        if (thing.place != kNoPlace) continue;
        while (taken.contains(next)) next++;
        if (next >= room) return failure(fmt::format("more than {} {} for one cgroup", room, what));
        thing.place = next;
        taken.insert(next);
        given.push_back(next);
    }
    return given;
}

bp_policy_rule to_raw(const PolicyRule& rule, std::size_t index) {
    bp_policy_rule raw{};
    raw.netns_cookie = rule.netns_cookie;
    raw.listen_first = rule.rule.listen().first;
    raw.listen_last = rule.rule.listen().last;
    raw.target_first = rule.rule.target().first;
    raw.proto = raw_protocol(rule.rule.protocol());
    raw.flags = rule.flags;
    raw.id = static_cast<std::uint16_t>(index + 1);
    raw.counter = static_cast<std::uint16_t>(rule.place);
    if (const auto& local = rule.rule.local()) {
        std::memcpy(raw.address, local->address.bytes.data(), sizeof(raw.address));
        const auto mask = local->mask();
        std::memcpy(raw.mask, mask.bytes.data(), sizeof(raw.mask));
    }
    return raw;
}

std::optional<PolicyRule> from_raw(const bp_policy_rule& raw) {
    if (!raw.listen_first) return std::nullopt;
    std::optional<Prefix> local;
    if (auto length = mask_length(Address::from_v6(raw.mask)); length && *length)
        local = Prefix{Address::from_v6(raw.address), *length};
    auto target_last =
        static_cast<std::uint16_t>(raw.target_first + raw.listen_last - raw.listen_first);
    auto rule = Rule::make(local, {raw.listen_first, raw.listen_last},
                           {raw.target_first, target_last}, protocol_of(raw.proto));
    if (!rule) return std::nullopt;
    return PolicyRule{*rule, raw.netns_cookie, raw.flags, raw.counter};
}

// The longest prefix first: programs take the first that matches.
bool more_specific(const PolicyRule& left, const PolicyRule& right) {
    auto length = [](const PolicyRule& rule) {
        return rule.rule.local() ? rule.rule.local()->length : 0;
    };
    return length(left) > length(right);
}

bp_policy_side build_side(const PolicyContent& content) {
    bp_policy_side side{};
    auto order = content.rules;
    std::ranges::stable_sort(order, more_specific);
    for (const auto& rule : order) {
        side.rules[side.rules_end] = to_raw(rule, side.rules_end);
        side.rules_end++;
    }
    for (const auto& grant : content.grants) {
        side.grants[grant.place] = {grant.ports.first, grant.ports.last,
                                    static_cast<std::uint16_t>(grant.place + 1),
                                    raw_protocol(grant.protocol), 0};
        side.grants_end = std::max(side.grants_end, grant.place + 1);
    }
    return side;
}

} // namespace

std::string Grant::to_string() const {
    return ports.to_string() + (protocol == Protocol::kUdp ? "/udp" : "");
}

namespace {

Result<void> parse_grant(std::string_view text, std::vector<Grant>& grants) {
    constexpr auto kForm = "a grant is PORT[-PORT][/tcp|/udp|/tcp+udp], such as 80";
    auto slash = text.find('/');
    auto protocol = slash == text.npos ? "tcp" : text.substr(slash + 1);
    auto ports = parse_port_list(text.substr(0, slash));
    bool known = protocol == "tcp" || protocol == "udp" || protocol == "tcp+udp";
    if (!known || !ports || ports->size() != 1 || !ports->front().first)
        return usage_error(fmt::format("{:?} is not a port to grant", text), kForm);
    if (protocol != "udp") grants.push_back({ports->front(), Protocol::kTcp, kNoPlace});
    if (protocol != "tcp") grants.push_back({ports->front(), Protocol::kUdp, kNoPlace});
    return {};
}

} // namespace

Result<std::vector<Grant>> parse_grants(std::string_view text) {
    std::vector<Grant> grants;
    for (;;) {
        auto comma = text.find(',');
        if (auto parsed = parse_grant(text.substr(0, comma), grants); !parsed)
            return std::unexpected(parsed.error());
        if (comma == text.npos) return grants;
        text.remove_prefix(comma + 1);
    }
}

bool PolicyContent::has_local_clients() const {
    return std::ranges::any_of(
        rules, [](const PolicyRule& rule) { return !rule.has(BP_POLICY_NO_LOCAL); });
}

Result<Policy> Policy::open(const Fd& map, bool writable) {
    auto policy = Mapped<bp_policy>::open(map, writable ? Mapping::kWritable : Mapping::kReadOnly,
                                          "the policy");
    if (!policy) return std::unexpected(policy.error());
    return Policy(std::move(*policy));
}

PolicyContent Policy::content() const {
    const auto& side =
        policy_->side[std::atomic_ref(policy_->flips).load(std::memory_order_acquire) & 1];
    PolicyContent content;
    for (const auto& raw : side.rules)
        if (auto rule = from_raw(raw)) content.rules.push_back(*rule);
    std::ranges::sort(content.rules, {}, &PolicyRule::place);
    for (unsigned place = 0; place < BP_POLICY_GRANTS; place++)
        if (const auto& grant = side.grants[place]; grant.first)
            content.grants.push_back({{grant.first, grant.last}, protocol_of(grant.proto), place});
    return content;
}

Result<std::vector<std::uint32_t>> Policy::replace(PolicyContent& content, std::uint64_t cgroup) {
    auto fresh = give_places(content.rules, BP_POLICY_RULES, "rules");
    if (!fresh) return fresh;
    auto granted = give_places(content.grants, BP_POLICY_GRANTS, "grants");
    if (!granted) return granted;
    for (std::uint32_t place : *granted) fresh->push_back(BP_POLICY_RULES + place);

    const std::uint32_t flips = policy_->flips;
    policy_->side[spare_side(flips)] = build_side(content);
    policy_->cgroup = cgroup;
    std::atomic_ref(policy_->flips).store(flips + 1, std::memory_order_release);
    return fresh;
}

} // namespace bpfport
