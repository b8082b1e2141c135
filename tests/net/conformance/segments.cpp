// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Single TCP segments: repeated, reordered, out of the blue, malformed.
#include "net/conformance/corpus.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

// A segment that nothing preceded, and whatever answers it.
template <std::uint8_t kFlags> void out_of_the_blue(Stage& stage) {
    TcpPeer client(stage, 80);
    Tcp segment = client.segment(kFlags);
    segment.ack = (kFlags & kAck) != 0 ? 77 : 0;
    client.slip(segment);
}

void a_syn_twice(Stage& stage) {
    TcpPeer client(stage, 80);
    client.slip(client.segment(kSyn));
    client.hear(kSyn);
    client.send(client.segment(kSyn));
    client.hear(kSyn);
}

void a_syn_with_data(Stage& stage) {
    TcpPeer client(stage, 80);
    client.slip(client.segment(kSyn), "echo early\n");
    client.hear(kSyn);
    Tcp rest = client.segment(kRst);
    ++rest.seq;
    client.send(rest);
}

void an_acknowledgement_of_nothing(Stage& stage) {
    TcpPeer client(stage, 80);
    client.send(client.segment(kSyn));
    client.hear(kSyn);
    Tcp wrong = client.segment(kAck);
    wrong.ack += 100;
    client.slip(wrong);
    client.hear(kRst);
}

void a_request_twice(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    const Tcp first = client.segment(kPsh | kAck);
    client.ask("echo hello");
    client.slip(first, "echo hello\n");
    client.hear(kAck);
}

void out_of_order(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    const Tcp first = client.segment(kAck);
    Tcp second = client.segment(kPsh | kAck);
    second.seq += 5;
    client.slip(second, "hello\n");
    client.hear(kAck);
    client.send(first, "echo ");
    client.send(second, "hello\n"); // again, so that the script's own count is right
    client.hear_bytes(11);
    client.acknowledge();
}

void a_keepalive(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo hello");
    Tcp probe = client.segment(kAck);
    --probe.seq;
    client.slip(probe);
    client.hear(kAck);
}

void a_syn_in_a_connection(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo hello");
    Tcp syn = client.segment(kSyn);
    syn.seq += 5;
    client.slip(syn);
    client.hear(kAck);
    client.ask("echo still here");
}

// In the window, but not the next byte: RFC 5961 wants it challenged, not obeyed.
void a_guessed_reset(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo hello");
    Tcp reset = client.segment(kRst);
    reset.seq += 100;
    client.slip(reset);
    client.hear(kAck);
    client.ask("echo still here");
}

void beyond_the_window(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo hello");
    Tcp far = client.segment(kPsh | kAck);
    far.seq += 10'000'000;
    client.slip(far, "x");
    client.hear(kAck);
    client.ask("echo still here");
}

void an_acknowledgement_from_the_past(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo hello");
    Tcp old = client.segment(kPsh | kAck);
    old.ack -= 10'000'000;
    client.slip(old, "x");
    client.hear(kAck);
    client.ask("echo still here");
}

void a_wrong_checksum(Stage& stage) {
    TcpPeer client(stage, 80);
    Tcp wrong = client.segment(kSyn);
    wrong.checksum = Checksum::kWrong;
    client.slip(wrong);
}

void a_wrong_checksum_in_a_connection(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    Tcp wrong = client.segment(kPsh | kAck);
    wrong.checksum = Checksum::kWrong;
    client.slip(wrong, "echo wrong\n");
    client.ask("echo right");
}

void a_header_longer_than_the_packet(Stage& stage) {
    TcpPeer client(stage, 80);
    Tcp wrong = client.segment(kSyn);
    wrong.data_offset = 15;
    client.slip(wrong);
}

void a_header_that_is_too_short(Stage& stage) {
    TcpPeer client(stage, 80);
    Tcp wrong = client.segment(kSyn);
    wrong.data_offset = 4;
    client.slip(wrong);
}

void options_of_the_network(Stage& stage) {
    TcpPeer client(stage, 80);
    const Packet v4 = Ipv4{.src = stage.client(), .dst = stage.server(), .options = Bytes(8, 1)};
    const Packet v6 = Packet(Ipv6{.src = stage.client(), .dst = stage.server()}) / HopByHop{} /
                      DestinationOptions{};
    client.through(stage.ipv6() ? v6 : v4);
    if (client.open()) client.ask("echo hello");
}

void a_segment_in_fragments(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    const std::string line = "echo " + std::string(94, 'x') + "\n";
    const Packet v4 = Ipv4{.src = stage.client(), .dst = stage.server(), .id = 7};
    const Packet whole = stage.ethernet() / (stage.ipv6() ? stage.network() : v4) /
                         client.segment(kPsh | kAck) / Payload(line);
    auto parts = fragments(whole, 40);
    std::reverse(parts.begin(), parts.end());
    stage.send(parts);
    client.skip(line.size());
    client.hear_bytes(line.size());
}

constexpr auto kClosedPort = "conntrack calls it invalid, so the redirect leaves it to the listen "
                             "port, where no program listens; "
                             "here the program's listener judges it, as it does for direct clients";
constexpr auto kNotOfTheConnection =
    "conntrack calls it invalid, so the redirect leaves it to the listen port, whose reset ends "
    "the "
    "client's connection; here the connection it belongs to answers it";

// Before 6.1 (tried: 5.10) conntrack takes it for a packet of no connection, which the redirect leaves alone.
std::vector<Difference> of_an_old_acknowledgement() {
    if (kernel_at_least(6, 1)) return {};
    return {{"tc xdp",
             kNotOfTheConnection,
             {"- server:80 > client [R]", "- nothing came", "- server:80 > client [.] 16 bytes",
              "- program: client, asked on 80", "+ server:80 > client [.] 0 bytes",
              "+ server:80 > client [.] 16 bytes", "+ program: client, asked on 80"}}};
}

} // namespace

std::vector<Conversation> segment_conversations() {
    const Difference closed{"tc xdp sklookup", kClosedPort, {"- server:80 > client [R.]"}};
    return {
        {"out of the blue: ACK", out_of_the_blue<kAck>},
        {"out of the blue: RST", out_of_the_blue<kRst>},
        {"out of the blue: FIN, ACK", out_of_the_blue<kFin | kAck>},
        {"out of the blue: FIN", out_of_the_blue<kFin>, {closed}},
        {"out of the blue: SYN, ACK", out_of_the_blue<kSyn | kAck>},
        {"out of the blue: no flag", out_of_the_blue<0>, {closed}},
        {"out of the blue: SYN, FIN", out_of_the_blue<kSyn | kFin>, {closed}},
        {"out of the blue: SYN, RST", out_of_the_blue<kSyn | kRst>},
        {"out of the blue: every flag", out_of_the_blue<0x3f>},
        {"a SYN twice", a_syn_twice},
        {"a SYN with data", a_syn_with_data},
        {"an acknowledgement of nothing", an_acknowledgement_of_nothing},
        {"a request twice", a_request_twice},
        {"out of order", out_of_order},
        {"a keepalive", a_keepalive},
        {"a SYN in a connection", a_syn_in_a_connection},
        {"a guessed reset", a_guessed_reset},
        {"beyond the window",
         beyond_the_window,
         {{"tc xdp sklookup",
           kNotOfTheConnection,
           {"- server:80 > client [R]", "- nothing came", "+ server:80 > client [.]"}}}},
        {"an acknowledgement from the past", an_acknowledgement_from_the_past,
         of_an_old_acknowledgement()},
        {"a wrong checksum", a_wrong_checksum},
        {"a wrong checksum in a connection", a_wrong_checksum_in_a_connection},
        {"a header longer than the packet", a_header_longer_than_the_packet},
        {"a header that is too short", a_header_that_is_too_short},
        {"options of the network", options_of_the_network},
        {"a segment in fragments", a_segment_in_fragments},
    };
}

} // namespace bpfport::test
