// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace bpfport::test {

Address::Address(const char* text) {
    if (::inet_pton(AF_INET, text, bytes_.data()) == 1) return;
    family_ = AF_INET6;
    if (::inet_pton(AF_INET6, text, bytes_.data()) != 1)
        throw std::invalid_argument(fmt::format("not an IP address: {}", text));
}

Address Address::from_bytes(ByteView bytes) {
    if (bytes.size() != 4 && bytes.size() != 16)
        throw std::invalid_argument("an address has 4 or 16 bytes");
    Address address;
    address.family_ = bytes.size() == 16 ? AF_INET6 : AF_INET;
    std::ranges::copy(bytes, address.bytes_.begin());
    return address;
}

std::string Address::text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(family_, bytes_.data(), text.data(), text.size());
}

std::string Endpoint::text() const {
    if (address.is_ipv6()) return fmt::format("[{}]:{}", address.text(), port);
    return fmt::format("{}:{}", address.text(), port);
}

SocketAddress::SocketAddress(const Endpoint& endpoint, std::uint32_t scope) {
    if (endpoint.address.is_ipv6()) {
        auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(endpoint.port);
        in6->sin6_scope_id = scope;
        std::ranges::copy(endpoint.address.bytes(), in6->sin6_addr.s6_addr);
        size = sizeof(sockaddr_in6);
    } else {
        auto* in4 = reinterpret_cast<sockaddr_in*>(&storage);
        in4->sin_family = AF_INET;
        in4->sin_port = htons(endpoint.port);
        std::ranges::copy(endpoint.address.bytes(),
                          reinterpret_cast<std::uint8_t*>(&in4->sin_addr));
        size = sizeof(sockaddr_in);
    }
}

Endpoint SocketAddress::endpoint() const {
    if (storage.ss_family == AF_INET6) {
        const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        ByteView bytes(in6->sin6_addr.s6_addr);
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) bytes = bytes.subspan(12);
        return {Address::from_bytes(bytes), ntohs(in6->sin6_port)};
    }
    const auto* in4 = reinterpret_cast<const sockaddr_in*>(&storage);
    return {Address::from_bytes({reinterpret_cast<const std::uint8_t*>(&in4->sin_addr), 4}),
            ntohs(in4->sin_port)};
}

} // namespace bpfport::test
