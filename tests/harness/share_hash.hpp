// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Where bp_share_hash() of bpfport/table.h puts a client among those of rules that share by weight.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "bpfport/table.h"
#include "harness/address.hpp"
#include "rule/address.hpp"

namespace bpfport::test {

using AddressWords = std::array<std::uint32_t, 4>; // network byte order, IPv4 as v4-mapped

inline AddressWords address_words(const Address& address) {
    AddressWords words{};
    std::memcpy(words.data(), parse_address(address.text())->bytes.data(), sizeof(words));
    return words;
}

// From 0 on and below 1.
inline double share_of(const Endpoint& client, const Address& local) {
    const auto peer = address_words(client.address), own = address_words(local);
    return bp_share_hash(peer.data(), own.data(), htons(client.port)) / 4294967296.0;
}

} // namespace bpfport::test
