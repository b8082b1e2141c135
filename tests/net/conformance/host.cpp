// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is about the host: whose packets are redirected, several ports, errors, local clients, the
// end.
#include <netinet/in.h>

#include <fmt/format.h>

#include "net/conformance/corpus.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

void nobody_is_there(Stage& stage) {
    TcpPeer client(stage, 82);
    client.send(client.segment(kSyn));
    client.hear(kRst);
}

void a_ping(Stage& stage) {
    if (stage.ipv6())
        stage.send(stage.ethernet() / stage.network() / Icmp6{.type = 128, .code = 0, .rest = 80} /
                   Payload("hello"));
    else
        stage.send(stage.ethernet() / stage.network() / Icmp4{.type = 8, .code = 0, .rest = 80} /
                   Payload("hello"));
    stage.hear([](const Captured& frame) {
        return frame.view.packet->protocol == IPPROTO_ICMP ||
               frame.view.packet->protocol == IPPROTO_ICMPV6;
    });
}

// A second connection from the same address and port while the first lives.
template <std::uint16_t kFirst, std::uint16_t kSecond> void one_tuple_two_ports(Stage& stage) {
    TcpPeer first(stage, kFirst);
    if (!first.open()) return;
    first.ask("echo first");
    TcpPeer second(stage, kSecond, first.client_port(), 5'000'000);
    second.send(second.segment(kSyn));
    second.hear_answer();
}

void the_second_address(Stage& stage) {
    TcpPeer client(stage, 80);
    client.through(stage.network_to(stage.second_server_address()));
    if (client.open()) client.ask("echo hello");
}

// For another host. What this one would do with it is to drop it.
void only_forwarded(Stage& stage) {
    const char* key = stage.ipv6() ? "net/ipv6/conf/all/forwarding" : "net/ipv4/ip_forward";
    stage.host().sysctl(key, "1");
    stage.host().ip(stage.ipv6() ? "-6 route add blackhole fd09::/64"
                                 : "route add blackhole 10.9.0.0/24");
    TcpPeer client(stage, 80);
    client.through(stage.network_to(stage.elsewhere()));
    client.slip(client.segment(kSyn));
    client.hear_answer();
    stage.host().sysctl(key, "0");
}

// A router on the way tells that the reply was too long.
void a_narrow_path(Stage& stage) {
    TcpPeer client(stage, 80);
    Tcp syn = client.segment(kSyn);
    syn.options = {2, 4, 0x05, 0xb4}; // MSS 1460
    if (!client.open(syn)) return;
    client.say("send 1400");
    const auto reply = stage.hear([&](const Captured& frame) { return data_size(frame) == 1400; });
    if (!reply) return;
    stage.send_too_big(*reply);
    client.hear_bytes(1400);
    client.acknowledge();
    stage.forget_paths();
}

// A socket of this host's own, by either protocol; what it got for an answer.
std::string echo_of(const Netns& host, const Endpoint& server, bool udp) {
    const std::string line = "echo hello\n";
    if (udp) {
        auto client = UdpClient::connect(host, server);
        auto answer = client ? client->echo(line) : std::unexpected(client.error());
        return answer ? answer->data : answer.error().message;
    }
    auto client = TcpClient::connect(host, server);
    auto answer = client ? client->echo(line) : std::unexpected(client.error());
    return answer ? *answer : answer.error().message;
}

void local_clients(Stage& stage) {
    for (const Address& address : {Address(stage.ipv6() ? "::1" : "127.0.0.1"), stage.server()})
        for (const bool udp : {false, true})
            stage.note(fmt::format("a local client of {}: {}",
                                   address == stage.server() ? "server" : "localhost",
                                   echo_of(stage.host(), {address, 80}, udp)));
}

void the_rule_goes(Stage& stage) {
    TcpPeer client(stage, 80);
    if (!client.open()) return;
    client.ask("echo before");
    stage.stop_redirecting();
    client.say("echo after");
    stage.hear([](const Captured& frame) {
        return (tcp_flags(frame) & kRst) != 0 || data_size(frame) != 0;
    });
}

constexpr auto kOlderWins = "conntrack gives the second connection another source port; tc and xdp "
                            "keep no state that could tell the two apart, and refuse the newer at "
                            "once";
constexpr auto kNoAnswer =
    "before some version between 6.1 and 6.12 conntrack drops the second connection's SYN";
constexpr auto kOthers = "the redirect takes what is on its way to another host; here only what is "
                         "for this one (--forwarded is for the rest)";
constexpr auto kLocal =
    "the redirect sends local clients to localhost, whatever address they asked";
constexpr auto kGoesOn = "deleting the redirect's table ends its connections; these are nobody's "
                         "but the program's, and go on";

// Two connections of one client port, of which the second asks for `port`.
std::vector<Difference> of_the_second(unsigned port) {
    const std::string accepted = fmt::format("server:{} > client [S.]", port),
                      refused = fmt::format("+ server:{} > client [R.]", port);
    if (kernel_at_least(6, 12)) return {{"tc xdp", kOlderWins, {"- " + accepted, refused}}};
    return {{"tc xdp", kNoAnswer, {"- nothing came", refused}},
            {"sklookup", kNoAnswer, {"- nothing came", "+ " + accepted}}};
}

} // namespace

std::vector<Conversation> host_conversations() {
    return {
        {"nobody is there", nobody_is_there},
        {"a ping", a_ping},
        {"one client port, two listen ports", one_tuple_two_ports<80, 81>, of_the_second(81)},
        {"one client port, the listen port and the target port", one_tuple_two_ports<80, 3000>,
         of_the_second(3000)},
        {"one client port, the target port and the listen port", one_tuple_two_ports<3000, 80>,
         of_the_second(80)},
        {"the second address",
         the_second_address,
         {{"tc xdp sklookup",
           kFirstAddress,
           {"- program: client, asked on 80, at server",
            "+ program: client, asked on 80, at second address"}}}},
        {"to another host",
         only_forwarded,
         {{"tc xdp sklookup", kOthers, {"- elsewhere:80 > client [S.]", "+ nothing came"}}}},
        {"a narrow path", a_narrow_path},
        {"local clients",
         local_clients,
         {{"tc xdp sklookup",
           kLocal,
           {"- program: server, asked on 80, at localhost",
            "- program: datagram from server to localhost",
            "+ program: server, asked on 80, at server",
            "+ program: datagram from server to server"}}}},
        // The last one, for there is no redirect after it.
        {"the rule goes",
         the_rule_goes,
         {{"sklookup",
           kGoesOn,
           {"- server:80 > client [R]",
            "- program: client, asked on 80, at server:3000: read 'echo before/'",
            "+ server:80 > client [.] 11 bytes",
            "+ program: client, asked on 80, at server:3000: read 'echo before/echo after/'"}}},
         Families::kIpv4},
    };
}

} // namespace bpfport::test
