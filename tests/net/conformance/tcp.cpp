// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// TCP as programs speak it.
#include "net/conformance/corpus.hpp"

namespace bpfport::test {
namespace {

const Bytes kAllOptions = {2, 4, 0x05, 0x78, 4, 2, 8, 10,
                           0, 0, 0x10, 0,                 // MSS 1400, SACK, time stamps
                           0, 0, 0,    0,    1, 3, 3, 7}; // window scale 7

Tcp with_options(Tcp tcp, Bytes options) {
    tcp.options = std::move(options);
    return tcp;
}

void ask_and_finish(TcpPeer& client) {
    if (!client.open()) return;
    client.ask("echo hello");
    client.finish();
    client.hear(kFin);
    client.acknowledge();
}

void request_and_reply(Stage& stage) {
    TcpPeer client(stage, 80);
    ask_and_finish(client);
}

void straight_to_the_target(Stage& stage) {
    TcpPeer client(stage, 3000);
    ask_and_finish(client);
}

void an_unredirected_port(Stage& stage) {
    TcpPeer client(stage, 9999);
    client.send(client.segment(kSyn));
    client.hear(kRst);
}

void several_requests(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    for (const char* line : {"echo one", "send 1000", "echo three"}) {
        client.say(line);
        client.hear_bytes(line[0] == 's' ? 1000 : std::string(line).size() + 1);
        client.acknowledge();
    }
}

// TIME_WAIT is the server's then.
void let_the_server_close(TcpPeer& client) {
    if (!client.open()) return;
    client.say("close hello");
    client.hear(kFin);
    client.finish();
    client.hear(kAck);
}

void the_server_closes(Stage& stage) {
    TcpPeer client(stage, 80);
    let_the_server_close(client);
}

void the_client_resets(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo hello");
    client.reset();
}

void the_server_resets(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.say("reset");
    client.hear(kRst);
}

void the_client_shuts_its_side(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.say("late");
    client.finish();
    client.hear(kFin);
    client.acknowledge();
}

void the_server_shuts_its_side(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.say("shut");
    client.hear(kFin);
    client.acknowledge();
    client.say("and more");
    client.hear(kAck);
    client.finish();
    client.hear(kAck);
}

void a_long_reply(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open(with_options(client.segment(kSyn), {2, 4, 0x05, 0xb4}))) return; // MSS 1460
    client.say("send 9000");
    client.hear_bytes(9000);
    client.acknowledge();
}

void all_options(Stage& stage) {
    TcpPeer client(stage, 80);
    client.send(with_options(client.segment(kSyn), kAllOptions));
    if (!client.hear(kSyn)) return;
    const Bytes stamp = {1,    1, 8, 10, 0, 0,
                         0x10, 1, 0, 0,  0, 0}; // echoes nothing: PAWS looks at ours
    client.send(with_options(client.segment(kAck), stamp));
    client.send(with_options(client.segment(kPsh | kAck), stamp), "echo hello\n");
    client.hear_bytes(11);
    client.send(with_options(client.segment(kRst | kAck), stamp));
}

void explicit_congestion_notification(Stage& stage) {
    TcpPeer client(stage, 80);
    Tcp syn = client.segment(kSyn);
    syn.flags |= 0xc0; // ECE, CWR
    if (!client.open(syn)) return;
    client.ask("echo hello");
}

void the_request_comes_with_the_handshake(Stage& stage) {
    TcpPeer client(stage, 80);
    client.send(client.segment(kSyn));
    if (!client.hear(kSyn)) return;
    client.say("echo hello");
    client.hear_bytes(11);
    client.acknowledge();
    client.reset();
}

void syn_cookies(Stage& stage) {
    stage.host().sysctl("net/ipv4/tcp_syncookies", "2");
    TcpPeer client(stage, 80);
    if (client.open()) client.ask("echo hello");
    stage.host().sysctl("net/ipv4/tcp_syncookies", "1");
}

// At once, for a connection to the listen port and then one to kSecond.
template <std::uint16_t kSecond> void the_port_is_used_again(Stage& stage) {
    const std::uint16_t port = stage.new_port();
    for (const auto& [to, isn] : {std::pair{std::uint16_t{80}, 1000U}, {kSecond, 2'000'000U}}) {
        TcpPeer client(stage, to, port, isn);
        let_the_server_close(client);
    }
}

} // namespace

std::vector<Conversation> tcp_conversations() {
    return {
        {"a request, a reply, the client closes", request_and_reply},
        {"straight to the target port", straight_to_the_target},
        {"a port that is no rule's", an_unredirected_port},
        {"several requests", several_requests},
        {"the server closes", the_server_closes},
        {"the client resets", the_client_resets},
        {"the server resets", the_server_resets},
        {"the client shuts its side", the_client_shuts_its_side},
        {"the server shuts its side", the_server_shuts_its_side},
        {"a long reply", a_long_reply},
        {"all options", all_options},
        {"explicit congestion notification", explicit_congestion_notification},
        {"the request comes with the handshake", the_request_comes_with_the_handshake},
        {"SYN cookies", syn_cookies},
        {"the client's port is used again", the_port_is_used_again<80>},
        {"the client's port is used again for the target port",
         the_port_is_used_again<3000>,
         {{"tc xdp sklookup",
           "conntrack still holds the first connection and gives the second another source port",
           {"- program: client from another port", "+ program: client, asked on 3000"}}}},
    };
}

} // namespace bpfport::test
