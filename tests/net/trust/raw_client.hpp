// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames with whatever source address, put on the wire by hand: what a stranger sends, and a client
// whose every segment a test decides.
#pragma once

#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {

inline Packet network(const Address& from, const Address& to) {
    return from.is_ipv6() ? Packet(Ipv6{.src = from, .dst = to})
                          : Packet(Ipv4{.src = from, .dst = to});
}

// A TCP client of the server of a ClientServer that has no host: nothing answers for it.
class RawClient {
  public:
    RawClient(const ClientServer& net, Capture& wire, bool ipv6, std::uint16_t port)
        : net_(net), wire_(wire), me_{ipv6 ? "fd01::99" : "10.1.0.99", port} {
        net.server.ip(fmt::format("neigh replace {} lladdr {:02x} dev eth0", me_.address.text(),
                                  fmt::join(net.link.a.mac(), ":")));
    }

    void send(Tcp segment, std::string_view data = {}) const {
        segment.sport = me_.port;
        const Packet frame = Ethernet{.dst = net_.link.b.mac(), .src = net_.link.a.mac()} /
                             network(me_.address, ClientServer::server_address(v6())) / segment;
        wire_.send(data.empty() ? frame.build() : (frame / Payload(data)).build());
    }

    struct Heard {
        std::uint16_t from; // the server's port
        std::uint8_t flags;
        std::uint32_t seq;
        std::uint32_t ack;
        std::size_t bytes;
    };
    // The next segment that the server sent to this client and the test wants.
    std::optional<Heard> hear(const std::function<bool(const Heard&)>& wanted,
                              std::chrono::milliseconds patience = 2s) const {
        std::optional<Heard> heard;
        (void)wire_.next(
            [&](const Captured& c) {
                if (c.outgoing || !c.view.packet || c.view.packet->dst != me_.address ||
                    c.view.packet->dport != me_.port)
                    return false;
                const std::size_t at = c.view.packet->l4_offset;
                const auto word = [&](std::size_t offset) {
                    std::uint32_t value = 0;
                    for (std::size_t i = 0; i < 4; ++i)
                        value = value << 8 | c.frame[at + offset + i];
                    return value;
                };
                const Heard one{c.view.packet->sport.value_or(0), c.frame[at + 13], word(4),
                                word(8), c.frame.size() - at - (c.frame[at + 12] >> 4) * 4U};
                if (!wanted(one)) return false;
                heard = one;
                return true;
            },
            patience);
        return heard;
    }
    // The SYN-ACK or reset that acknowledges a SYN with this number.
    std::optional<Heard> answer(std::uint32_t isn, std::chrono::milliseconds patience = 2s) const {
        return hear([&](const Heard& one) { return one.ack == isn + 1; }, patience);
    }

  private:
    [[nodiscard]] bool v6() const { return me_.address.is_ipv6(); }
    const ClientServer& net_;
    Capture& wire_;
    Endpoint me_;
};

} // namespace bpfport::test
