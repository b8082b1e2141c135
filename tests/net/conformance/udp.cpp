// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Datagrams.
#include <netinet/in.h>

#include <fmt/format.h>

#include "net/conformance/corpus.hpp"

namespace bpfport::test {
namespace {

Udp to(Stage& stage, std::uint16_t port) {
    const std::uint16_t client = stage.new_port();
    stage.asks(client, port);
    return {.sport = client, .dport = port};
}

void send(Stage& stage, const Packet& network, const Udp& udp, const std::string& text) {
    stage.send(stage.ethernet() / network / udp / Payload(text));
}

std::optional<Captured> hear(Stage& stage, const Udp& udp) {
    return stage.hear([&](const Captured& frame) {
        return frame.view.packet->protocol == IPPROTO_UDP && frame.view.packet->dport == udp.sport;
    });
}

void hear_error(Stage& stage) {
    stage.hear([](const Captured& frame) { return frame.view.quoted.has_value(); });
}

template <std::uint16_t kPort> void a_question(Stage& stage) {
    const Udp udp = to(stage, kPort);
    for (const char* text : {"echo one\n", "echo two\n"}) {
        send(stage, stage.network(), udp, text);
        hear(stage, udp);
    }
}

void an_empty_datagram(Stage& stage) {
    const Udp udp = to(stage, 80);
    send(stage, stage.network(), udp, "");
    hear(stage, udp);
}

void no_checksum(Stage& stage) {
    Udp udp = to(stage, 80);
    udp.checksum = Checksum::kZero;
    send(stage, stage.network(), udp, "echo hello\n");
    if (!stage.ipv6()) hear(stage, udp);
}

void a_wrong_checksum(Stage& stage) {
    Udp udp = to(stage, 80);
    udp.checksum = Checksum::kWrong;
    send(stage, stage.network(), udp, "echo hello\n");
}

void bytes_behind_the_datagram(Stage& stage) {
    const Udp udp = to(stage, 80);
    // UDP's length ends before the IP packet does; the checksum is of the shorter.
    const Packet whole = stage.network() / udp / Payload("echo hello\n");
    Bytes frame = (stage.ethernet() / whole / Payload("trailing")).build();
    const Bytes exact = (stage.ethernet() / whole).build();
    const std::size_t at = 14 + (stage.ipv6() ? 40U : 20U);
    std::copy_n(exact.begin() + static_cast<std::ptrdiff_t>(at), 8,
                frame.begin() + static_cast<std::ptrdiff_t>(at));
    stage.send(std::vector<Bytes>{frame});
    hear(stage, udp);
}

template <std::uint16_t kLength> void a_wrong_length(Stage& stage) {
    Udp udp = to(stage, 80);
    udp.length = kLength;
    send(stage, stage.network(), udp, "echo hello\n");
}

void a_reply_in_fragments(Stage& stage) {
    const Udp udp = to(stage, 80);
    send(stage, stage.network(), udp, "send 4000\n");
    for (int part = 0; part < 3; ++part)
        stage.hear([&](const Captured& frame) { return frame.view.packet->fragment; });
}

template <bool kReversed> void a_question_in_fragments(Stage& stage) {
    const Udp udp = to(stage, 80);
    const Packet v4 = Ipv4{
        .src = stage.client(), .dst = stage.server(), .id = static_cast<std::uint16_t>(udp.sport)};
    auto parts = fragments(stage.ethernet() / (stage.ipv6() ? stage.network() : v4) / udp /
                               Payload("echo " + std::string(900, 'x') + "\n"),
                           400);
    if (kReversed) std::reverse(parts.begin(), parts.end());
    stage.send(parts);
    hear(stage, udp);
}

void options_of_the_network(Stage& stage) {
    const Udp udp = to(stage, 80);
    const Packet v4 = Ipv4{.src = stage.client(), .dst = stage.server(), .options = Bytes(8, 1)};
    const Packet v6 = stage.network() / DestinationOptions{};
    send(stage, stage.ipv6() ? v6 : v4, udp, "echo hello\n");
    hear(stage, udp);
}

void nobody_is_there(Stage& stage) {
    send(stage, stage.network(), to(stage, 82), "echo hello\n");
    hear_error(stage);
}

void an_unredirected_port(Stage& stage) {
    send(stage, stage.network(), to(stage, 9999), "echo hello\n");
    hear_error(stage);
}

// The client's socket is the same, the ports are different ones.
template <std::uint16_t kFirst, std::uint16_t kSecond> void one_socket_two_ports(Stage& stage) {
    Udp udp = to(stage, kFirst);
    send(stage, stage.network(), udp, "echo first\n");
    hear(stage, udp);
    udp.dport = kSecond;
    send(stage, stage.network(), udp, "echo second\n");
    hear(stage, udp);
}

void a_narrow_path(Stage& stage) {
    const Udp udp = to(stage, 80);
    send(stage, stage.network(), udp, "send 1400\n");
    const auto reply = hear(stage, udp);
    if (!reply) return;
    stage.send_too_big(*reply);
    send(stage, stage.network(), udp, "send 1400\n");
    for (int part = 0; part < 2; ++part)
        stage.hear([&](const Captured& frame) { return frame.view.packet->fragment; });
    stage.forget_paths();
}

void the_second_address(Stage& stage) {
    const Udp udp = to(stage, 80);
    send(stage, stage.network_to(stage.second_server_address()), udp, "echo hello\n");
    hear(stage, udp);
}

void to_everybody(Stage& stage) {
    const Mac mac =
        stage.ipv6() ? Mac{0x33, 0x33, 0, 0, 0, 1} : Mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    stage.send(stage.ethernet(mac) / stage.network_to(stage.all_hosts()) / to(stage, 80) /
               Payload("echo hello\n"));
}

constexpr auto kOlderPort = "one client port has one flow, and that of the port asked first is "
                            "kept: a spoofed datagram would "
                            "take it over; the redirect gives the second another client port";

// The second question of one socket, to this endpoint.
std::vector<std::string> not_answered(std::string_view second) {
    return {fmt::format("- {} > client udp 12 bytes", second), "+ nothing came",
            "- program: datagram from client to server: read 'echo second/'"};
}

std::vector<std::string> refused(std::string_view second) {
    auto lines = not_answered(second);
    lines.push_back(fmt::format("+ client > {}: ICMP type", second));
    return lines;
}

} // namespace

std::vector<Conversation> udp_conversations() {
    return {
        {"udp: a question", a_question<80>},
        {"udp: straight to the target port", a_question<3000>},
        {"udp: an empty datagram", an_empty_datagram},
        {"udp: no checksum", no_checksum},
        {"udp: a wrong checksum", a_wrong_checksum},
        {"udp: bytes behind the datagram",
         bytes_behind_the_datagram,
         {{"tc xdp sklookup",
           "conntrack sums up what lies behind the datagram and calls the checksum wrong; sockets "
           "go by the datagram's own length",
           {"- client > server:80: ICMP", "- nothing came", "+ server:80 > client udp 11 bytes",
            "+ program: datagram from client to server: read 'echo hello/'"}}}},
        {"udp: a length beyond the packet", a_wrong_length<200>},
        {"udp: a length below its header's", a_wrong_length<7>},
        {"udp: a reply in fragments", a_reply_in_fragments},
        {"udp: a question in fragments", a_question_in_fragments<false>},
        {"udp: a question in fragments, the last first", a_question_in_fragments<true>},
        {"udp: options of the network", options_of_the_network},
        {"udp: nobody is there", nobody_is_there},
        {"udp: a port that is no rule's", an_unredirected_port},
        {"udp: one socket, two listen ports",
         one_socket_two_ports<80, 81>,
         {{"tc xdp", kOlderPort, not_answered("server:81")},
          {"sklookup", kOlderPort, refused("server:81")}}},
        {"udp: one socket, the listen port and the target port",
         one_socket_two_ports<80, 3000>,
         {{"tc xdp sklookup", kOlderPort, not_answered("server:3000")}}},
        {"udp: one socket, the target port and the listen port",
         one_socket_two_ports<3000, 80>,
         {{"tc xdp", kOlderPort, not_answered("server:80")},
          {"sklookup", kOlderPort, refused("server:80")}}},
        {"udp: a narrow path", a_narrow_path},
        {"udp: the second address",
         the_second_address,
         {{"tc xdp sklookup",
           kFirstAddress,
           {"- program: datagram from client to server",
            "+ program: datagram from client to second address"}}}},
        {"udp: to all hosts",
         to_everybody,
         {{"tc xdp sklookup",
           "the redirect takes broadcast and multicast, and the answer comes from an address that "
           "is no host's; here no program listens on the listen port",
           {"- all_hosts:80 > client udp", "- program: datagram from client to"}}}},
    };
}

} // namespace bpfport::test
