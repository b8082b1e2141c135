// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A stage for conversations: a server with the program on 3000 and one way of sending it what comes
// for 80 and 81 (and, for 82, to 3002 where no program listens), and a client that is no kernel: it
// says, frame by frame, what the conversation's script says, and receives what comes back.
//
// What is heard is written down with all that can't be the same twice taken out: IPv4
// identification, the server's initial sequence number, its time stamps, IPv6 fragment ids; a
// checksum that is right becomes 0xffff. Acknowledgements without data are written down where the
// script waits for one.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/capture.hpp"
#include "harness/packet.hpp"
#include "harness/topology.hpp"
#include "net/conformance/program.hpp"
#include "net/conformance/wire.hpp"

namespace bpfport::test {

// One event: in words, without addresses, and the frame's bytes (none: the program's).
struct Line {
    std::string text;
    Bytes bytes;
    bool operator==(const Line&) const = default;
};
using Transcript = std::vector<Line>;

// A way of redirecting. `attach`: words for bpfport; empty: nft's redirect.
struct Way {
    std::string name;
    std::string attach;
};

inline std::string way_name(const testing::TestParamInfo<Way>& tested) { return tested.param.name; }
inline void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

struct NoRedirect : std::runtime_error { // this kernel has none
    using std::runtime_error::runtime_error;
};

class Stage {
  public:
    explicit Stage(const Way& way); // throws NoRedirect, or std::runtime_error when bpfport refuses
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    void begin(bool ipv6);
    [[nodiscard]] Transcript end(); // waits for all that is on its way
    void forget_paths() const;      // what path-MTU discovery learned
    void stop_redirecting();        // what `detach` does, and deleting the nft rules

    // For the scripts.
    [[nodiscard]] bool ipv6() const { return ipv6_; }
    [[nodiscard]] Address client() const { return ipv6_ ? "fd01::9" : "10.1.0.9"; }
    [[nodiscard]] Address server() const { return ClientServer::server_address(ipv6_); }
    [[nodiscard]] Address second_server_address() const { return ipv6_ ? "fd01::7" : "10.1.0.7"; }
    [[nodiscard]] Address elsewhere() const { return ipv6_ ? "fd09::1" : "10.9.0.1"; }
    [[nodiscard]] Address all_hosts() const { return ipv6_ ? "ff02::1" : "10.1.0.255"; }
    [[nodiscard]] const Netns& host() const { return net_.server; }
    [[nodiscard]] std::uint16_t new_port() {
        return next_port_++;
    } // of the client, never used before
    [[nodiscard]] const Program& program() const { return program_; }
    [[nodiscard]] Packet ethernet() const; // to the server
    [[nodiscard]] Packet ethernet(const Mac& to) const;
    [[nodiscard]] Packet network_to(const Address& address) const; // an IP header from the client
    [[nodiscard]] Packet network() const { return network_to(server()); }

    void send(const Packet& frame) const { wire_.send(frame.build()); }
    void send(const std::vector<Bytes>& frames) const;
    // A router's word that this frame of the server's was too long for a link of 1280 bytes.
    void send_too_big(const Captured& frame) const;
    // Goes on writing down until the wanted frame came, or it is certain that none will come: that
    // is written down too.
    std::optional<Captured> hear(const FrameFilter& wanted);
    void note(std::string text) { lines_.push_back({std::move(text), {}}); }
    // Which port the client's next conversation from client_port is to be with.
    void asks(std::uint16_t client_port, std::uint16_t port) {
        asked_[client_port].push_back(port);
    }

  private:
    void send_fence() const;
    [[nodiscard]] bool is_fence(const Captured& frame) const;
    // The next frame that is the conversation's or the fence's.
    [[nodiscard]] std::optional<Captured> next(std::chrono::milliseconds patience);
    [[nodiscard]] Captured next_before_the_fence_is_answered(); // or the fence's
    [[nodiscard]] bool of_this_conversation(const Captured& frame) const;
    [[nodiscard]] Bytes without_chance(const Captured& frame) const;
    [[nodiscard]] bool worth_a_line(const Captured& frame) const;
    void write_down(const Captured& frame);
    [[nodiscard]] std::string named(const Endpoint& endpoint) const;
    [[nodiscard]] std::string caller(const ProgramLine& line);

    Way way_;
    ClientServer net_;
    Program program_;
    Capture wire_;
    bool ipv6_ = false;
    std::uint16_t next_port_ = 40000;
    std::uint16_t first_port_ = 0;                             // of this conversation's
    std::map<std::uint16_t, std::uint32_t> server_isn_;        // by the client's port
    std::map<std::uint16_t, std::deque<std::uint16_t>> asked_; // by the client's port
    Transcript lines_;
};

// One TCP connection of the client. What is left of it is reset at the end.
class TcpPeer {
  public:
    TcpPeer(Stage& stage, std::uint16_t port);
    TcpPeer(Stage& stage, std::uint16_t port, std::uint16_t client_port, std::uint32_t isn);
    TcpPeer(const TcpPeer&) = delete;
    TcpPeer& operator=(const TcpPeer&) = delete;
    ~TcpPeer();

    std::uint16_t client_port() const { return client_port_; }
    void through(const Packet& network) { network_ = network; } // instead of Stage::network()

    // The next segment; `send` moves on by its data, SYN and FIN, `slip` does not.
    Tcp segment(std::uint8_t flags) const;
    void send(const Tcp& tcp, const std::string& data = {});
    void slip(const Tcp& tcp, const std::string& data = {}) const;
    void skip(std::size_t bytes) { seq_ += static_cast<std::uint32_t>(bytes); } // sent otherwise
    // Waits for a segment with these of SYN, FIN and RST (ACK: one that only acknowledges), or for
    // so many bytes of data.
    bool hear(std::uint8_t flags);
    bool hear_bytes(std::size_t bytes);
    bool hear_answer();                 // whatever it is
    bool hear_again(std::size_t bytes); // data that came before, in one segment; patiently

    bool open(const Tcp& syn); // until the program has accepted
    bool open() { return open(segment(kSyn)); }
    void say(const std::string& line) { send(segment(kPsh | kAck), line + "\n"); }
    bool ask(const std::string& line); // receives its echo, and acknowledges it
    void acknowledge() const { slip(segment(kAck)); }
    void finish() { send(segment(kFin | kAck)); }
    void reset();

  private:
    bool hear(const FrameFilter& wanted);
    void advance(const Captured& frame);

    Stage& stage_;
    std::uint16_t port_;
    std::uint16_t client_port_;
    std::uint32_t seq_;
    std::uint32_t ack_ = 0;
    std::size_t heard_ = 0; // bytes of data
    bool over_ = true;      // nothing was sent yet, or it was reset
    Packet network_;
};

} // namespace bpfport::test
