// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of decisions share: the port a packet has afterwards, and real connections that
// hold a tuple.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "harness/sockets.hpp"
#include "prog/programs.hpp"
#include "state/instance.hpp"

namespace bpfport::test {

// A TCP connection between two addresses of the lab, both ends held.
struct Connection {
    Fd listener;
    Fd client;
    Fd server;
};

class Decisions : public Programs {
  protected:
    void SetUp() override {
        Programs::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        lab().netns().sysctl("net/ipv4/ip_forward", "0");
        lab().netns().sysctl("net/ipv6/conf/all/forwarding", "0");
    }

    // The destination port of a packet that came in; nothing else may have changed.
    std::uint16_t port_after(const Bytes& before, const TestRun& run) const {
        const auto port = parse(run.frame).packet->dport.value_or(0);
        if (port != *parse(before).packet->dport)
            EXPECT_TRUE(expect_translation(before, run.frame, Where::kDestination, port));
        else
            EXPECT_TRUE(expect_untouched(before, run.frame));
        return port;
    }
    std::uint16_t port_in(const Bytes& before) const {
        SCOPED_TRACE(lab().outcomes());
        const TestRun run = lab().in(before);
        EXPECT_EQ(run.action, kNext);
        return port_after(before, run);
    }
    std::uint16_t port_out(const Bytes& before) const {
        const TestRun run = lab().out(before);
        EXPECT_EQ(run.action, kNext);
        return *parse(run.frame).packet->sport;
    }

    Connection connect(bool ipv6, std::uint16_t port) const { return connect(ipv6, port, kClient); }

    // From the peer's address, which the namespace has for as long as the test runs.
    Connection connect(bool ipv6, std::uint16_t port, std::uint16_t client_port) const {
        have_peer();
        const int family = ipv6 ? AF_INET6 : AF_INET;
        const auto open = [&](const Endpoint& at) {
            SocketOptions options;
            options.source = at;
            auto socket = open_socket(lab().netns(), family, SOCK_STREAM, options);
            if (!socket) throw std::runtime_error(socket.error().message);
            return std::move(*socket);
        };
        Connection c{open({Lab::address(ipv6), port}), open({Lab::peer(ipv6), client_port}), {}};
        SocketAddress to(Endpoint{Lab::address(ipv6), port});
        if (::listen(c.listener.get(), 1) != 0 || ::connect(c.client.get(), to.get(), to.size) != 0)
            throw std::runtime_error("connect: " + error_text(errno));
        c.server = Fd(::accept(c.listener.get(), nullptr, nullptr));
        // Gone without a TIME_WAIT when the test ends.
        const linger abort{1, 0};
        ::setsockopt(c.client.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
        return c;
    }

    void have_peer() const {
        const std::string known = lab().netns().ip("addr show dev lo");
        if (known.find("192.0.2.1/32") != std::string::npos) return;
        lab().netns().ip("addr add 192.0.2.1/32 dev lo");
        lab().netns().ip("addr add 2001:db8::1/128 dev lo nodad");
    }

    void put_on_record(const Fd& socket, std::uint16_t listen_port, std::uint16_t rule) const {
        const bp_record record{htons(listen_port), rule, 0, BP_RECORD_FLOW};
        const int fd = socket.get();
        ASSERT_EQ(bpf_map_update_elem(lab().map(pins::kRecords).get(), &fd, &record, BPF_ANY), 0)
            << error_text(errno);
    }
};

inline Bytes segment(const Ends& e) { return (Lab::ethernet() / ip(e) / l4(e)).build(); }

} // namespace bpfport::test
