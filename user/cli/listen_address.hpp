// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ADDR:PORT to listen on; IPv6 in brackets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "rule/address.hpp"

namespace bpfport {

class ListenAddress {
  public:
    static Result<ListenAddress> parse(std::string_view text);

    [[nodiscard]] bool is_loopback() const { return address_.is_loopback(); }
    [[nodiscard]] std::string text() const { return with_port(port_); }
    [[nodiscard]] std::string with_port(int port) const; // when port 0 has become one

    // Binds a socket and closes it: the kernel's reason, which a library may keep to itself.
    [[nodiscard]] Result<void> try_bind() const;

  private:
    ListenAddress(const Address& address, std::uint16_t port) : address_(address), port_(port) {}
    Address address_;
    std::uint16_t port_;
};

} // namespace bpfport
