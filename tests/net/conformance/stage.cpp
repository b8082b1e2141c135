// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/conformance/stage.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr std::uint16_t kFencePort = 9;
constexpr Mac kClientMac{0x02, 0, 0, 0, 0, 0x0a};
constexpr Mac kServerMac{0x02, 0, 0, 0, 0, 0x0b};

Address fence_address(bool ipv6) { return ipv6 ? "fd01::8" : "10.1.0.8"; }

// What the web says to type, for both families and protocols, and local clients too.
constexpr auto kRedirect = R"(
table inet web {
    chain in {
        type nat hook prerouting priority dstnat; policy accept;
        meta l4proto { tcp, udp } th dport { 80, 81 } redirect to :3000
        tcp dport 82 redirect to :3002
        udp dport 82 redirect to :3002
    }
    chain local {
        type nat hook output priority -100; policy accept;
        oif lo meta l4proto { tcp, udp } th dport { 80, 81 } redirect to :3000
    }
}
)";

void nft(const Netns& netns, const std::string& rules) {
    const auto done = run({"nft", "-f", "-"}, {.netns = &netns, .input = rules});
    if (done.status != 0) throw NoRedirect("nft: " + done.err);
}

Headers about(const Captured& frame) {
    return frame.view.quoted ? *frame.view.quoted : *frame.view.packet;
}

} // namespace

Stage::Stage(const Way& way)
    : way_(way), net_(false), program_(net_.server, 3000), wire_(net_.link.a) {
    net_.client.ip("link set eth0 address 02:00:00:00:00:0a");
    net_.server.ip("link set eth0 address 02:00:00:00:00:0b");
    net_.link.b.add_address("10.1.0.7/24").add_address("fd01::7/64");
    net_.server.ip("-6 address del fd01::2/64 dev eth0"); // the last one added is the first
    net_.link.b.add_address("fd01::2/64");
    for (const char* address : {"10.1.0.9", "10.1.0.8", "fd01::9", "fd01::8"})
        net_.server.ip(fmt::format("neigh replace {} lladdr 02:00:00:00:00:0a dev eth0", address));
    net_.server.sysctl("net/ipv6/auto_flowlabels", "0");
    for (const char* limit :
         {"net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit", "net/ipv4/tcp_invalid_ratelimit"})
        net_.server.sysctl(limit, "0");
    if (way_.attach.empty())
        nft(net_.server, kRedirect);
    else if (auto done = works(net_.server, way_.attach + " 80:3000/tcp+udp 81:3000/tcp+udp "
                                                          "82:3002/tcp+udp");
             !done)
        throw std::runtime_error(done.message());
}

void Stage::forget_paths() const {
    net_.server.ip("route flush cache");
    net_.server.ip("-6 route flush cache");
}

void Stage::stop_redirecting() {
    if (way_.attach.empty())
        nft(net_.server, "delete table inet web");
    else if (auto done = works(net_.server, "detach eth0"); !done)
        throw std::runtime_error(done.message());
}

Packet Stage::ethernet() const { return ethernet(kServerMac); }

Packet Stage::ethernet(const Mac& to) const { return Ethernet{.dst = to, .src = kClientMac}; }

Packet Stage::network_to(const Address& address) const {
    if (ipv6_) return Ipv6{.src = client(), .dst = address};
    return Ipv4{.src = client(), .dst = address, .dont_fragment = true};
}

void Stage::send_too_big(const Captured& frame) const {
    const auto begin = frame.frame.begin() + static_cast<std::ptrdiff_t>(frame.view.packet->offset);
    const Payload quote(Bytes(begin, begin + 500));
    const Packet error = ipv6_ ? Packet(Icmp6{.type = 2, .code = 0, .rest = 1280})
                               : Packet(Icmp4{.type = 3, .code = 4, .rest = 1280});
    send(ethernet() / network() / error / quote);
}

void Stage::send(const std::vector<Bytes>& frames) const {
    for (const Bytes& frame : frames) wire_.send(frame);
}

void Stage::begin(bool ipv6) {
    ipv6_ = ipv6;
    first_port_ = next_port_;
    lines_.clear();
    asked_.clear();
}

// A datagram that the program answers when it has done all that came before.
void Stage::send_fence() const {
    const Address from = fence_address(ipv6_);
    const Packet network = ipv6_ ? Packet(Ipv6{.src = from, .dst = server()})
                                 : Packet(Ipv4{.src = from, .dst = server()});
    send(ethernet() / network / Udp{.sport = kFencePort, .dport = 3000} / Payload(kFence));
}

// Earlier ones may still be told things again.
bool Stage::of_this_conversation(const Captured& frame) const {
    const std::optional<std::uint16_t> port =
        frame.view.quoted ? frame.view.quoted->sport : frame.view.packet->dport;
    return frame.view.packet->dst == client() && port.value_or(first_port_) >= first_port_;
}

bool Stage::is_fence(const Captured& frame) const {
    return frame.view.packet->dst == fence_address(ipv6_);
}

std::optional<Captured> Stage::next(std::chrono::milliseconds patience) {
    return wire_.next(
        [&](const Captured& frame) {
            return !frame.outgoing && frame.view.packet &&
                   (is_fence(frame) || of_this_conversation(frame));
        },
        patience);
}

Captured Stage::next_before_the_fence_is_answered() {
    auto frame = next(std::chrono::seconds(10));
    if (!frame) throw std::runtime_error("the program does not answer");
    return std::move(*frame);
}

std::optional<Captured> Stage::hear(const FrameFilter& wanted) {
    bool fenced = false;
    for (;;) {
        std::optional<Captured> frame;
        if (!fenced) {
            frame = next(std::chrono::milliseconds(100));
            if (!frame) send_fence();
            fenced = !frame;
        }
        if (!frame) frame = next_before_the_fence_is_answered();
        if (is_fence(*frame)) break;
        const bool is_it = wanted(*frame);
        if (is_it || worth_a_line(*frame)) write_down(*frame);
        if (!is_it) continue;
        if (fenced) // its answer is still to come
            wire_.next([&](const Captured& c) { return c.view.packet && is_fence(c); });
        return frame;
    }
    note("nothing came");
    return {};
}

Bytes Stage::without_chance(const Captured& frame) const {
    const auto isn = server_isn_.find(frame.view.packet->dport.value_or(0));
    return test::without_chance(frame, isn == server_isn_.end() ? std::nullopt
                                                                : std::optional(isn->second));
}

// Not an acknowledgement that happened to come alone, nor what is said again because it took long.
bool Stage::worth_a_line(const Captured& frame) const {
    if (tcp_flags(frame) == kAck && data_size(frame) == 0) return false;
    return std::ranges::find(lines_, without_chance(frame), &Line::bytes) == lines_.end();
}

void Stage::write_down(const Captured& frame) {
    if ((tcp_flags(frame) & kSyn) != 0) server_isn_[*frame.view.packet->dport] = sequence_of(frame);
    const Headers headers = about(frame);
    lines_.push_back({fmt::format("{} > {}{}", named({headers.src, headers.sport.value_or(0)}),
                                  named({headers.dst, headers.dport.value_or(0)}), in_words(frame)),
                      without_chance(frame)});
}

// "client" and "server" for the two, so that both families read alike.
std::string Stage::named(const Endpoint& endpoint) const {
    const std::pair<Address, const char*> names[] = {{client(), "client"},
                                                     {server(), "server"},
                                                     {second_server_address(), "second address"},
                                                     {ipv6_ ? "::1" : "127.0.0.1", "localhost"},
                                                     {elsewhere(), "elsewhere"},
                                                     {all_hosts(), "all_hosts"}};
    std::string name = endpoint.address.text();
    for (const auto& [address, word] : names)
        if (endpoint.address == address) name = word;
    return endpoint.address == client() || endpoint.port == 0
               ? name
               : fmt::format("{}:{}", name, endpoint.port);
}

// "client, asked on 80"; local clients ask for 80 alone.
std::string Stage::caller(const ProgramLine& line) {
    const std::string name = named({line.peer.address, 0});
    if (line.datagram) return "datagram from " + name;
    if (line.peer.address != client()) return name + ", asked on 80";
    const auto asked = asked_.find(line.peer.port);
    if (asked == asked_.end()) return name + " from another port";
    const std::uint16_t port = asked->second.front();
    if (asked->second.size() > 1) asked->second.pop_front();
    return fmt::format("{}, asked on {}", name, port);
}

Transcript Stage::end() {
    send_fence();
    for (auto frame = next_before_the_fence_is_answered(); !is_fence(frame);
         frame = next_before_the_fence_is_answered())
        if (worth_a_line(frame)) write_down(frame);
    for (const ProgramLine& line : program_.take())
        note(fmt::format("program: {}{} {}: {}", caller(line), line.datagram ? " to" : ", at",
                         named(line.datagram ? Endpoint{line.local.address, 0} : line.local),
                         line.text));
    return std::move(lines_);
}

} // namespace bpfport::test
