// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/probe.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "doctor/wire.hpp"
#include "kernel/sock_diag.hpp"
#include "kernel/sysctl.hpp"
#include "trace/frame.hpp"

namespace bpfport {

namespace {

constexpr std::chrono::milliseconds kPatience{1000};

struct SocketName {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

SocketName socket_name(const Address& address, std::uint16_t port) {
    SocketName name;
    if (address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.bytes.data() + 12, 4);
        std::memcpy(&name.storage, &in, name.size = sizeof(in));
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        std::memcpy(&in.sin6_addr, address.bytes.data(), 16);
        std::memcpy(&name.storage, &in, name.size = sizeof(in));
    }
    return name;
}

Fd open_socket(const Address& address, int type) {
    return Fd(socket(address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// What a client on this host gets: 0, or the errno of its socket. ETIMEDOUT: nothing.
int ask_locally(Protocol protocol, const Address& address, std::uint16_t port) {
    bool tcp = protocol == Protocol::kTcp;
    Fd client = open_socket(address, tcp ? SOCK_STREAM : SOCK_DGRAM);
    SocketName name = socket_name(address, port);
    if (!client) return errno;
    if (connect(client.get(), reinterpret_cast<sockaddr*>(&name.storage), name.size) != 0 &&
        errno != EINPROGRESS)
        return errno;
    if (!tcp && send(client.get(), "", 0, 0) < 0) return errno;
    pollfd ready{client.get(), static_cast<short>(tcp ? POLLOUT : POLLIN), 0};
    int got = ::poll(&ready, 1, static_cast<int>(tcp ? kPatience.count() : kPatience.count() / 4));
    if (got == 0) return tcp ? ETIMEDOUT : 0; // a datagram need not be answered
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

// Whether packets to the address leave by the interface that has `own`.
bool leaves_with(const Address& address, const Address& own) {
    Fd socket = open_socket(address, SOCK_DGRAM);
    SocketName name = socket_name(address, 9), got;
    got.size = sizeof(got.storage);
    if (!socket ||
        connect(socket.get(), reinterpret_cast<sockaddr*>(&name.storage), name.size) != 0 ||
        getsockname(socket.get(), reinterpret_cast<sockaddr*>(&got.storage), &got.size) != 0)
        return false;
    if (!own.is_v4()) {
        sockaddr_in6 in{};
        std::memcpy(&in, &got.storage, sizeof(in));
        return Address::from_v6(&in.sin6_addr) == own;
    }
    sockaddr_in in{};
    std::memcpy(&in, &got.storage, sizeof(in));
    return Address::from_v4(&in.sin_addr) == own;
}

// The last address of a prefix that is no broadcast address.
Address last_of(const Address& in, unsigned length) {
    Address last = in;
    for (unsigned bit = length; bit < Prefix::kBits - 1; bit++)
        last.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
    last.bytes[15] &= 0xfe;
    return last;
}

// An address that nobody has, of one of the rule's clients: of the documentation's networks (RFC 5737,
// 3849) when the route to it leaves here, else the last of the interface's own network, else the last
// of a prefix of the rule's. None: each would be another client's, or comes by another interface.
std::optional<Address> made_up_client(const InterfaceAddress& own, const ClientSet& clients) {
    const bool v4 = own.address.is_v4();
    const auto documented = *parse_address(v4 ? "192.0.2.250" : "2001:db8::fffe");
    if (leaves_with(documented, own.address) && clients.contains(documented)) return documented;
    const auto last = last_of(own.address, (v4 ? Prefix::kMappedBits : 0) + own.prefix_length);
    if (const auto& usual = last == own.address ? documented : last; clients.contains(usual))
        return usual;
    for (const auto& prefix : clients.from()) {
        const auto one = last_of(prefix.address, prefix.length);
        if (!prefix.is_one_address() && prefix.is_v4() == v4 && clients.contains(one) &&
            leaves_with(one, own.address))
            return one;
    }
    return std::nullopt;
}

bool half_open(std::uint16_t port, const Address& client, std::uint16_t client_port) {
    auto list = sockets({Protocol::kTcp, 1U << TCP_SYN_RECV, port});
    return list && std::ranges::any_of(*list, [&](const Socket& socket) {
               return socket.peer == client && socket.peer_port == client_port;
           });
}

// What shows that a SYN came through: the answer on its way out, or the half-open connection, which
// is on the target port, or under sklookup on the listen port.
struct Evidence {
    std::optional<FrameView> answer;
    bool half_open = false;
};

// The half-open connection is looked for at once and then repeatedly: without a next hop for its
// answer it is gone as soon as the kernel has given up on finding one, which an earlier probe may
// have begun to do.
Evidence watch(const Tap& tap, const PacketSpec& asked, std::uint16_t target) {
    constexpr std::chrono::milliseconds kSlice{25}, kEnough{400};
    Evidence evidence;
    for (std::chrono::milliseconds waited{0}; waited < kPatience; waited += kSlice) {
        for (std::uint16_t port : {target, asked.destination_port})
            evidence.half_open |= half_open(port, asked.source, asked.source_port);
        evidence.answer = tap.answer(asked.source, asked.source_port, kSlice);
        if (evidence.answer || (evidence.half_open && waited >= kEnough)) break;
    }
    return evidence;
}

void judge_tcp(const RuleView& rule, const std::string& path, const PacketSpec& asked,
               const Evidence& evidence, Findings& findings) {
    auto add = [&](Severity severity, std::string text, std::string remedy = {}) {
        findings.push_back({severity, subject_of(rule),
                            fmt::format("probe {}: {}", path, std::move(text)), std::move(remedy)});
    };
    const auto& answer = evidence.answer;
    if (!answer) {
        if (evidence.half_open)
            add(Severity::kOk,
                fmt::format("the listener on {} took the SYN; no way out was tested, "
                            "since there is no next hop for the made-up client",
                            rule.rule.rule.target_of(asked.destination_port)));
        else if (read_net_sysctl("ipv4/tcp_syncookies").value_or("1") == "2")
            add(Severity::kNote,
                "can't tell: no answer to a SYN, and with net.ipv4.tcp_syncookies=2 a connection "
                "that was begun leaves no trace");
        else
            add(Severity::kBroken, "no answer to a SYN, and no connection was begun",
                "see the findings above: the firewall, rp_filter, or a program before ours");
    } else if (answer->icmp) {
        add(Severity::kBroken, "the answer was an ICMP error");
    } else if (answer->source_port != asked.destination_port) {
        add(Severity::kBroken, fmt::format("the answer came from port {}, not {}",
                                           answer->source_port, asked.destination_port));
    } else if (answer->flags & kTcpRst) {
        add(Severity::kBroken, "refused", "start the program that serves the target port");
    } else {
        add(Severity::kOk,
            fmt::format("SYN answered with SYN-ACK from port {}", answer->source_port));
    }
}

void judge_udp(const RuleView& rule, const std::string& path,
               const std::optional<FrameView>& answer, Findings& findings) {
    bool refused = answer && answer->icmp;
    findings.push_back({refused ? Severity::kBroken : Severity::kOk, subject_of(rule),
                        fmt::format("probe {}: {}", path,
                                    refused  ? "port unreachable"
                                    : answer ? "an empty datagram was answered"
                                             : "no error came back for an empty datagram"),
                        refused ? "start the program that serves the target port" : ""});
}

void probe_interface(const RuleView& rule, const Interface& interface, const InterfaceAddress& own,
                     Findings& findings) {
    std::string path = fmt::format("{} (frame injected behind the driver)", interface.name);
    auto skip = [&](const std::string& why) {
        findings.push_back({Severity::kNote,
                            subject_of(rule),
                            fmt::format("probe {}: not tested: {}", interface.name, why),
                            {}});
    };
    if (!interface.has_ethernet_header() || interface.link_address.size() != 6)
        return skip("frames can only be injected into Ethernet devices");
    const auto client = made_up_client(own, rule.rule.rule.clients());
    if (!client)
        return skip("the rule is for none of the addresses that a made-up client may have");
    auto injector = Injector::open(interface.ifindex);
    if (!injector) return skip(injector.error().message);
    auto tap = Tap::open(interface.ifindex);
    if (!tap) return skip(tap.error().message);

    Mac mac{}, from{0x02, 0, 0, 0, 0, 0x01};
    std::copy_n(interface.link_address.begin(), mac.size(), mac.begin());
    PacketSpec spec;
    spec.protocol = rule.rule.rule.protocol();
    spec.source = *client;
    spec.source_port = static_cast<std::uint16_t>(20000 + getpid() % 10000);
    spec.destination = own.address;
    spec.destination_port = rule.rule.rule.listen().first;
    if (auto sent = injector->send(build_frame(spec, from, mac)); !sent)
        return skip(sent.error().message);
    bool tcp = spec.protocol == Protocol::kTcp;
    if (!tcp)
        return judge_udp(rule, path, tap->answer(spec.source, spec.source_port, kPatience / 4),
                         findings);
    auto target = rule.rule.rule.target_of(spec.destination_port);
    judge_tcp(rule, path, spec, watch(*tap, spec, target), findings);
    spec.flags = kTcpRst; // the half-open connection goes
    spec.sequence = 2;
    static_cast<void>(injector->send(build_frame(spec, from, mac)));
}

void probe_lo(const RuleView& rule, const Address& own, Findings& findings) {
    int error = ask_locally(rule.rule.rule.protocol(), own, rule.rule.rule.listen().first);
    findings.push_back(
        {error ? Severity::kBroken : Severity::kOk, subject_of(rule),
         fmt::format("probe lo (a client on this host, to {}): {}", own.to_string(),
                     error                                         ? error_text(error)
                     : rule.rule.rule.protocol() == Protocol::kTcp ? "connected"
                                                                   : "no error came back"),
         error ? "see the findings above" : ""});
}

// The address of the interface that a client would use: not link-local.
const InterfaceAddress* own_address(const RuleView& rule, unsigned ifindex,
                                    const NetworkFacts& facts) {
    for (const auto& address : facts.network.addresses) {
        bool link_local = address.address.bytes[0] == 0xfe && !address.address.is_v4();
        if (address.ifindex != ifindex || link_local) continue;
        if (rule.rule.rule.covers(address.address)) return &address;
    }
    return nullptr;
}

} // namespace

void probe_rules(const Snapshot& snapshot, const NetworkFacts& facts, Findings& findings) {
    for (const auto& rule : snapshot.rules)
        for (const auto& interface : facts.host.interfaces) {
            if (interface.is_loopback() || !interface.is_up()) continue;
            if (rule.rule.ifindex && rule.rule.ifindex != interface.ifindex) continue;
            const InterfaceAddress* own = own_address(rule, interface.ifindex, facts);
            if (!own) continue;
            probe_interface(rule, interface, *own, findings);
            // A client of an address of this host has that address.
            if (!rule.rule.has(BP_RULE_NO_LOCAL) && rule.rule.rule.clients().contains(own->address))
                probe_lo(rule, own->address, findings);
        }
}

} // namespace bpfport
