// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A server whose answer tells which rule a client was served by.
#pragma once

#include <string>

#include "net/fixture.hpp"

namespace bpfport::test {

// Answers over TCP and UDP, IPv4 and IPv6.
struct Answers {
    TcpServer tcp;
    UdpServer udp;
    Answers(const Netns& netns, std::uint16_t port, const std::string& answer)
        : tcp(netns, {"::", port}, {.answer = answer}),
          udp(netns, {"::", port}, {.answer = answer}) {}
};

} // namespace bpfport::test
