// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/address_list.hpp"

#include <algorithm>
#include <cerrno>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/map.hpp"

namespace bpfport {

namespace {

constexpr std::uint32_t kBatch = 4096; // entries for one system call

// As many as there is room for; the number of those, or the kernel's refusal.
Result<std::size_t> update(const Fd& map, std::span<const Address> keys,
                           std::span<const std::uint32_t> values) {
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    std::size_t done = 0;
    while (done < keys.size()) {
        auto count = static_cast<std::uint32_t>(std::min<std::size_t>(kBatch, keys.size() - done));
        int error = bpf_map_update_batch(map.get(), &keys[done], &values[done], &count, &options);
        done += count;
        if (error == 0) continue;
        if (error == -E2BIG || error == -ENOMEM) return done;
        return system_error("note addresses", -error);
    }
    return done;
}

} // namespace

std::map<Address, std::uint32_t> address_owners(std::span<const InterfaceAddress> addresses,
                                                std::span<const Interface> interfaces,
                                                std::span<const RuleSpec> rules) {
    std::map<std::uint32_t, std::uint32_t> owners; // of an interface's addresses
    for (const auto& interface : interfaces) {
        bool no_ones = interface.is_loopback() || interface.kind == "dummy";
        bool has_rules =
            std::ranges::find(rules, interface.ifindex, &RuleSpec::ifindex) != rules.end();
        owners[interface.ifindex] = no_ones && !has_rules ? 0 : interface.ifindex;
    }
    std::map<Address, std::uint32_t> list;
    for (const auto& entry : addresses) {
        auto owner = owners.contains(entry.ifindex) ? owners[entry.ifindex] : entry.ifindex;
        auto [place, fresh] = list.emplace(entry.address, owner);
        if (!fresh && owner != 0) place->second = owner; // on lo and on an interface: the latter's
    }
    return list;
}

Result<std::vector<Warning>> write_addresses(const Fd& map,
                                             const std::map<Address, std::uint32_t>& owners) {
    std::vector<Address> keys;
    std::vector<std::uint32_t> values;
    for (const auto& [address, owner] : owners) {
        keys.push_back(address);
        values.push_back(owner);
    }
    auto done = update(map, keys, values);
    if (!done) return std::unexpected(done.error());
    bool removed = false;
    for (const auto& address : keys_of<Address>(map)) {
        if (owners.contains(address)) continue;
        bpf_map_delete_elem(map.get(), address.bytes.data());
        removed = true;
    }
    if (*done < keys.size() && removed) {
        done = update(map, keys, values); // there is room now
        if (!done) return std::unexpected(done.error());
    }
    if (*done == keys.size()) return {};
    return std::vector<Warning>{
        {fmt::format("{} of this host's {} addresses are not on the programs' list, which is full: "
                     "local clients of those take the rules of every interface, and where a "
                     "container shares the interface (ipvlan, macvlan passthru), they are not "
                     "served",
                     keys.size() - *done, keys.size()),
         {}}};
}

} // namespace bpfport
