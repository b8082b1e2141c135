// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// An IPv4 or IPv6 address, and one with a port. Written as text in tests: Endpoint{"::1", 80}.
// Text that is no address is a mistake in the test: it throws std::invalid_argument.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>

#include "harness/bytes.hpp"

namespace bpfport::test {

class Address {
  public:
    Address() : Address("0.0.0.0") {}
    Address(const char* text); // NOLINT(google-explicit-constructor): tests read better so
    Address(const std::string& text)
        : Address(text.c_str()) {}             // NOLINT(google-explicit-constructor)
    static Address from_bytes(ByteView bytes); // 4 or 16, network order

    [[nodiscard]] int family() const { return family_; }
    [[nodiscard]] bool is_ipv6() const { return family_ == AF_INET6; }
    [[nodiscard]] ByteView bytes() const { return {bytes_.data(), is_ipv6() ? 16U : 4U}; }
    [[nodiscard]] std::string text() const;

    bool operator==(const Address&) const = default;

  private:
    int family_ = AF_INET;
    std::array<std::uint8_t, 16> bytes_{};
};

struct Endpoint {
    Address address{};
    std::uint16_t port = 0;

    bool operator==(const Endpoint&) const = default;
    [[nodiscard]] std::string text() const; // 192.0.2.1:80, [2001:db8::1]:80
};

// The kernel's form of an endpoint and back; link-local addresses need the interface's index.
// IPv4-mapped addresses come back as IPv4.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    SocketAddress() = default;
    explicit SocketAddress(const Endpoint& endpoint, std::uint32_t scope = 0);
    [[nodiscard]] Endpoint endpoint() const;
    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

} // namespace bpfport::test
