// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/local_clients.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "engine/cgroup_object.hpp"
#include "engine/root_hooks.hpp"
#include "kernel/bpf.hpp"
#include "kernel/local_routes.hpp"
#include "kernel/map.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netns.hpp"
#include "rule/raw_protocol.hpp"
#include "state/port_bits.hpp"

namespace bpfport {

namespace {

bp_local_key local_key(std::uint64_t cookie, const Prefix& local) {
    bp_local_key key{};
    key.length = BP_LOCAL_BITS - 128 + local.length;
    std::memcpy(key.netns_cookie, &cookie, sizeof(key.netns_cookie));
    std::memcpy(key.address, local.address.bytes.data(), sizeof(key.address));
    return key;
}

std::pair<std::uint64_t, Prefix> read_key(const bp_local_key& key) {
    std::uint64_t cookie = 0;
    Prefix local{{}, key.length + 128 - BP_LOCAL_BITS};
    std::memcpy(&cookie, key.netns_cookie, sizeof(cookie));
    std::memcpy(local.address.bytes.data(), key.address, sizeof(key.address));
    return {cookie, local};
}

// The most addresses of one network namespace: the map has room for the others, and commands, which read
// it, stay fast.
constexpr std::size_t kMostLocals = 4096;

// Of the current namespace anew, of namespaces without claims no longer. What a full map does not
// take is named by status (unserved_addresses()).
Result<void> write_locals(const Fd& map, const std::set<std::uint64_t>& claimed) {
    std::uint64_t here = current_netns_cookie();
    std::set<Prefix> current;
    if (claimed.contains(here)) {
        auto prefixes = local_prefixes();
        if (!prefixes) return std::unexpected(prefixes.error());
        current = {prefixes->begin(), prefixes->end()};
    }
    if (current.size() > kMostLocals)
        current.erase(std::next(current.begin(), kMostLocals), current.end());
    for (const auto& key : keys_of<bp_local_key>(map)) {
        auto [cookie, local] = read_key(key);
        bool kept = cookie == here ? current.contains(local) : claimed.contains(cookie);
        if (!kept) bpf_map_delete_elem(map.get(), &key);
    }
    for (const auto& local : current) {
        auto key = local_key(here, local);
        std::uint8_t one = 1;
        if (bpf_map_update_elem(map.get(), &key, &one, BPF_ANY) == 0) continue;
        if (errno == ENOSPC || errno == ENOMEM) break;
        return system_error(fmt::format("note address {}", local.address.to_string()));
    }
    return {};
}

auto bytes_of(const bp_claim_key& key) {
    std::array<std::uint8_t, sizeof(key)> bytes{};
    std::memcpy(bytes.data(), &key, sizeof(key));
    return bytes;
}

struct Wanted {
    std::map<bp_claim_key, Claim, ClaimOrder> claims; // of one claimant each
    bp_port_bitmap ports{};                           // listen and target ports of all rules
    std::set<std::uint64_t> cookies;
    bool clients = false; // a rule has local clients, though perhaps several claim its port
};

Wanted wanted_of(const std::vector<CgroupAttachment>& attachments) {
    Wanted wanted;
    for (const auto& [key, claimants] : claims_of(attachments)) {
        wanted.clients = true;
        wanted.cookies.insert(netns_of(key));
        set_port(wanted.ports, key.proto, key.port);
        for (const auto& claim : claimants) set_port(wanted.ports, key.proto, claim.target);
        if (claimants.size() == 1) wanted.claims.emplace(key, claimants.front());
    }
    return wanted;
}

// First what makes room. A full map takes what it can; status names the rules whose claims it has not.
Result<void> write_claims(const Fd& map, const Wanted& wanted) {
    std::set<bp_claim_key, ClaimOrder> there; // a look-up would find shorter prefixes, too
    for (const auto& key : keys_of<bp_claim_key>(map)) {
        if (!wanted.claims.contains(key)) bpf_map_delete_elem(map.get(), &key);
        there.insert(key);
    }
    for (const auto& [key, claim] : wanted.claims) {
        bp_claim value{};
        bool known = there.contains(key) && bpf_map_lookup_elem(map.get(), &key, &value) == 0;
        if (known && value.cgroup == claim.cgroup && value.target == claim.target) continue;
        value = {claim.cgroup, 0, 0, claim.target, {}};
        if (bpf_map_update_elem(map.get(), &key, &value, BPF_ANY) == 0) continue;
        if (errno == ENOSPC || errno == ENOMEM) return {};
        return system_error("write claim");
    }
    return {};
}

} // namespace

bool ClaimOrder::operator()(const bp_claim_key& left, const bp_claim_key& right) const {
    return bytes_of(left) < bytes_of(right);
}

bp_claim_key claim_key(const PolicyRule& rule, std::uint16_t port) {
    bp_claim_key key{};
    key.length = BP_CLAIM_BITS;
    std::memcpy(key.netns_cookie, &rule.netns_cookie, sizeof(key.netns_cookie));
    key.port = port;
    key.proto = raw_protocol(rule.rule.protocol());
    if (const auto& local = rule.rule.local()) {
        std::memcpy(key.address, local->address.bytes.data(), sizeof(key.address));
        key.length += local->length;
    }
    return key;
}

std::uint64_t netns_of(const bp_claim_key& key) {
    std::uint64_t cookie = 0;
    std::memcpy(&cookie, key.netns_cookie, sizeof(cookie));
    return cookie;
}

Claims claims_of(const std::vector<CgroupAttachment>& attachments) {
    Claims claims;
    for (const auto& attachment : attachments)
        for (const auto& rule : attachment.content().rules) {
            if (rule.has(BP_POLICY_NO_LOCAL)) continue;
            for (unsigned at = rule.rule.listen().first; at <= rule.rule.listen().last; at++) {
                const auto port = static_cast<std::uint16_t>(at);
                claims[claim_key(rule, port)].push_back(
                    {attachment.meta().cgroup, rule.rule.target_of(port)});
            }
        }
    return claims;
}

Result<void> reconcile_local_clients(Store& store) {
    auto wanted = wanted_of(cgroup_attachments(store, Store::Access::kRead));
    if (!wanted.clients) return store.remove(kLocalClientsDirectory);
    if (auto there = ensure_root_programs(store, kLocalClientPrograms); !there) return there;
    auto directory = store.path(kLocalClientsDirectory);
    auto bits_map = open_pin(directory / pins::kPortBitmap);
    auto claims_map = open_pin(directory / pins::kClaims);
    auto locals_map = open_pin(store.path(kHostDirectory) / pins::kLocals);
    for (const auto* map : {&bits_map, &claims_map, &locals_map})
        if (!*map) return std::unexpected(map->error());
    auto bits = PortBits::open(*bits_map);
    if (!bits) return std::unexpected(bits.error());
    if (auto written = write_locals(*locals_map, wanted.cookies); !written) return written;
    // The bits say where to look, so they are there before claims are and after.
    for (const auto& [key, claim] : wanted.claims) {
        bits->set(key.proto, key.port);
        bits->set(key.proto, claim.target);
    }
    if (auto written = write_claims(*claims_map, wanted); !written) return written;
    bits->assign(wanted.ports);
    return {};
}

std::map<bp_claim_key, ClaimCount, ClaimOrder> claim_counts(const Store& store) {
    std::map<bp_claim_key, ClaimCount, ClaimOrder> counts;
    auto map = open_pin(store.path(kLocalClientsDirectory) / pins::kClaims);
    if (!map) return counts;
    for (const auto& key : keys_of<bp_claim_key>(*map))
        if (bp_claim value{}; bpf_map_lookup_elem(map->get(), &key, &value) == 0)
            counts[key] = {value.connects, value.datagrams};
    return counts;
}

std::vector<std::string> unserved_addresses(const Store& store) {
    auto map = open_pin(store.path(kHostDirectory) / pins::kLocals);
    auto addresses = interface_addresses();
    if (!map || !addresses) return {};
    std::vector<Address> missing;
    std::uint64_t here = current_netns_cookie();
    for (const auto& entry : *addresses) {
        auto key = local_key(here, {entry.address, 128});
        std::uint8_t value = 0;
        if (!entry.address.is_loopback() && bpf_map_lookup_elem(map->get(), &key, &value) != 0)
            missing.push_back(entry.address);
    }
    if (missing.empty()) return {};
    auto prefixes = local_prefixes();
    if (!prefixes) return {};
    std::vector<std::string> unserved;
    for (const auto& address :
         missing) // one that is tentative, as of a link that is down, is not local yet
        if (std::ranges::any_of(*prefixes,
                                [&](const Prefix& local) { return local.contains(address); }))
            unserved.push_back(address.to_string());
    return unserved;
}

std::vector<std::string> departed_addresses(const Store& store) {
    std::vector<std::string> departed;
    auto map = open_pin(store.path(kHostDirectory) / pins::kLocals);
    auto prefixes = local_prefixes();
    if (!map || !prefixes) return departed;
    const std::uint64_t here = current_netns_cookie();
    const std::set<Prefix> current(prefixes->begin(), prefixes->end());
    for (const auto& key : keys_of<bp_local_key>(*map)) {
        auto [cookie, local] = read_key(key);
        if (cookie == here && !current.contains(local))
            departed.push_back(local.address.to_string());
    }
    return departed;
}

} // namespace bpfport
