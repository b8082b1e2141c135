// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/rule.hpp"

#include <utility>

#include <fmt/format.h>

namespace bpfport {

namespace {

Result<void> check_range(std::string_view place, PortRange range) {
    if (range.first == 0)
        return usage_error(fmt::format("{} 0 can't be redirected", place), "write 1 to 65535");
    if (range.first > range.last)
        return usage_error(
            fmt::format("{} range {} runs backwards", place, range.to_string()),
            fmt::format("write the lower port first: {}-{}", range.last, range.first));
    return {};
}

// Both forms that would fit: which is meant can't be told.
std::string length_hint(PortRange listen, PortRange target) {
    const unsigned last = target.first + listen.size() - 1;
    const auto one = target.size() == 1 ? fmt::format("; all to one port: {}:={}",
                                                      listen.to_string(), target.first)
                                        : std::string();
    if (last > 65535) return "a range maps one to one: both must be of one length" + one;
    return fmt::format("a range maps one to one: {}:{}{}", listen.to_string(),
                       PortRange{target.first, static_cast<std::uint16_t>(last)}.to_string(), one);
}

Result<void> check_lengths(PortRange listen, PortRange target, PortMapping mapping) {
    if (mapping == PortMapping::kOneTarget && target.size() != 1)
        return usage_error(
            fmt::format("'=' before the target range {}", target.to_string()),
            fmt::format("'=' is for one target port: {}:={}; a range maps one to one "
                        "without it",
                        listen.to_string(), target.first));
    if (mapping == PortMapping::kOneToOne && listen.size() != target.size())
        return usage_error(
            fmt::format("ranges of unequal length: listen {} is {} long, target {} is {}",
                        listen.to_string(), listen.size(), target.to_string(), target.size()),
            length_hint(listen, target));
    return {};
}

Result<void> check_ports(PortRange listen, PortRange target, PortMapping mapping) {
    if (auto checked = check_range("listen port", listen); !checked) return checked;
    if (auto checked = check_range("target port", target); !checked) return checked;
    if (auto checked = check_lengths(listen, target, mapping); !checked) return checked;
    if (listen == target)
        return usage_error(
            fmt::format("target port {} is the listen port itself", target.to_string()),
            "nothing needs to be redirected; for the right to bind a low port see bpfport grant");
    if (listen.overlaps(target))
        return usage_error(fmt::format("target ports {} overlap the listen ports {}",
                                       target.to_string(), listen.to_string()),
                           "a port can't be both: choose target ports outside the listen range");
    return {};
}

Result<void> check_one_address(const Address& local) {
    if (local.is_any())
        return usage_error(
            fmt::format("local address {} does not name one address", local.to_string()),
            "leave it out: a rule without address is for all of them, IPv4 and IPv6");
    if (local.is_multicast())
        return usage_error(
            fmt::format("local address {} is a multicast or broadcast address", local.to_string()),
            "such packets are never redirected; write an address of this host");
    return {};
}

// The programs have IPv4 addresses as ::ffff:a.b.c.d.
bool takes_in_mapped(const Prefix& local) {
    const std::array<std::uint8_t, 4> any{};
    const Prefix mapped{Address::from_v4(any.data()), local.length};
    return local.length < Prefix::kMappedBits && mapped.masked().address == local.address;
}

Result<void> check_local(const Prefix& local) {
    if (local.length > Prefix::kBits)
        return usage_error(fmt::format("a prefix of {} bits", local.length),
                           fmt::format("an address has {}", Prefix::kBits));
    if (local.is_one_address()) return check_one_address(local.address);
    if (const auto masked = local.masked(); masked != local)
        return usage_error(
            fmt::format("local prefix {} has bits set behind its length", local.to_string()),
            fmt::format("write {} for all of it, {} for the one address", masked.to_string(),
                        local.address.to_string()));
    if (takes_in_mapped(local))
        return usage_error(
            fmt::format("local prefix {} is too short", local.to_string()),
            "write 2000::/3 for every global IPv6 address; a rule without address is for all of "
            "them, IPv4 and IPv6");
    if (local.address.is_multicast())
        return usage_error(
            fmt::format("local prefix {} is of multicast addresses", local.to_string()),
            "such packets are never redirected; write a prefix of this host's addresses");
    return {};
}

} // namespace

std::string_view to_string(Protocol protocol) { return protocol == Protocol::kTcp ? "tcp" : "udp"; }

std::string local_text(const std::optional<Prefix>& local) {
    if (!local) return {};
    return fmt::format(fmt::runtime(local->is_v4() ? "{}:" : "[{}]:"), local->to_string());
}

Result<Rule> Rule::make(std::optional<Prefix> local, PortRange listen, PortRange target,
                        Protocol protocol, PortMapping mapping) {
    if (auto checked = check_ports(listen, target, mapping); !checked)
        return std::unexpected(checked.error());
    if (local)
        if (auto checked = check_local(*local); !checked) return std::unexpected(checked.error());
    if (listen.size() == 1) mapping = PortMapping::kOneToOne;
    return Rule(local, listen, target, protocol, mapping);
}

Rule Rule::with_clients(ClientSet clients) const {
    Rule rule = *this;
    rule.clients_ = std::move(clients);
    return rule;
}

Rule Rule::with_weight(std::optional<std::uint16_t> weight) const {
    Rule rule = *this;
    rule.weight_ = weight;
    return rule;
}

bool Rule::shares_with(const Rule& other) const {
    return weight_ && other.weight_ && listens() == other.listens();
}

std::string Rule::to_string() const {
    return fmt::format("{}{}:{}{}{}{}{}{}", local_text(local_), listen_.to_string(),
                       one_target() ? "=" : "", target_.to_string(),
                       weight_ ? fmt::format("*{}", *weight_) : "",
                       protocol_ == Protocol::kUdp ? "/udp" : "", clients_.has_all() ? "" : "@",
                       clients_.to_string());
}

} // namespace bpfport
