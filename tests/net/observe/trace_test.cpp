// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport trace on real traffic, its end however it comes, and packets run through the programs.
#include <arpa/inet.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <bpf/bpf.h>

#include "bpfport/flow.h"
#include "harness/packet.hpp"
#include "harness/sweep.hpp"
#include "kernel/bpf.hpp"
#include "net/fixture.hpp"
#include "net/observe/tracing.hpp"
#include "rule/address.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr auto kClient = ClientServer::client_address;

class Trace : public NetTest {};

Process start_trace(const Netns& netns, const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"--netns", netns.name(), "trace"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return tracing(std::move(arguments));
}

std::vector<nlohmann::json> lines(const std::string& text) {
    std::vector<nlohmann::json> found;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        found.push_back(nlohmann::json::parse(line));
    return found;
}

TEST_F(Trace, ConnectionsFlowsAndOutcomes) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp"));
    auto trace = start_trace(net.server, {"eth0", "--json"});
    for (const Flavour& flavour : kFlavours)
        ASSERT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
    auto kept =
        connected(net.client, {kServer(false), 80}, {.source = Endpoint{kClient(false), 4001}});
    ASSERT_TRUE(alive(kept, 100000)); // packets of a connection on record make no event
    EXPECT_EQ(ask(net.client, {kServer(false), 3000}, Transport::kTcp,
                  {.source = Endpoint{kClient(false), 4001}, .timeout = 3s}),
              "refused");
    std::this_thread::sleep_for(700ms);
    auto events = lines(trace.stop().out);
    std::map<std::string, unsigned> count;
    std::string all;
    for (const auto& event : events) {
        count[event.value("outcome", event["event"].get<std::string>())]++;
        EXPECT_EQ(event["interface"], "eth0");
        EXPECT_TRUE(event.contains("peer")) << event;
        all += event.dump() + "\n";
    }
    EXPECT_EQ(count["connection"], 3U);
    EXPECT_EQ(count["flow"], 4U); // ask() sends from two UDP sockets
    EXPECT_EQ(count["older_redirected"], 1U);
    EXPECT_EQ(events.size(), 8U) << all;
    auto connection = std::ranges::find(
        events, "connection", [](const auto& e) { return e["event"].template get<std::string>(); });
    ASSERT_NE(connection, events.end());
    EXPECT_EQ((*connection)["listen_port"], 80);
    EXPECT_EQ((*connection)["target_port"], 3000);
    EXPECT_EQ((*connection)["local"], kServer(false).text());
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
}

TEST_F(Trace, CountAndFilters) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp"));
    auto trace = start_trace(net.server, {"--outcome", "connection", "--count", "2"});
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(ask(net.client, {kServer(false), 80}, Transport::kUdp), "hello");
        ASSERT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    }
    auto result = trace.wait();
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(std::ranges::count(result.out, '\n'), 2) << result.out;
    EXPECT_THAT(result.out, HasSubstr(":80 -> 3000 connection rule 80:3000 on eth0"));
    EXPECT_TRUE(refuses(net.server, "trace --outcome nonsense", 2, {"nonsense", "not_local"}));
    EXPECT_TRUE(refuses(net.server, "trace --peer nonsense", 2, {"nonsense"}));
    EXPECT_TRUE(refuses(net.server, "trace eth7", 1, {"eth7"}));
    EXPECT_TRUE(refuses(net.client, "trace", 1, {"nothing is attached"}));
}

TEST_F(Trace, OneAtATimeAndAKilledOneLeavesTheWayFree) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    {
        auto trace = start_trace(net.server, {});
        EXPECT_TRUE(refuses(net.server, "trace --seconds 1", 1, {"another trace"}));
        // Rules may change meanwhile: it holds no lock.
        EXPECT_TRUE(works(net.server, "attach eth0 81:3000"));
        trace.signal(SIGKILL);
        trace.wait();
    }
    // What nobody read is not shown to the next one.
    ASSERT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    auto trace = start_trace(net.server, {"--count", "1"});
    ASSERT_EQ(ask(net.client, {kServer(true), 81}, Transport::kTcp), "hello");
    auto result = trace.wait();
    EXPECT_THAT(result.out, HasSubstr(":81 -> 3000 connection"));
}

TEST_F(Trace, EndsWhenAllIsDetached) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    auto trace = start_trace(net.server, {});
    ASSERT_TRUE(works(net.server, "detach eth0"));
    auto result = trace.wait();
    EXPECT_EQ(result.status, 0);
    EXPECT_THAT(result.err, HasSubstr("detached"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(Trace, PacketsThroughTheInstalledPrograms) {
    const ClientServer net;
    const Service service(net.server, 3000);
    net.server.sysctl("net/ipv4/ip_forward", "1"); // or what isn't local could only be dropped
    net.server.ip("route add 10.9.0.0/24 via 10.1.0.1");
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp"));
    struct Case {
        const char* packet;
        std::vector<std::string> says;
    } cases[] = {
        {"tcp 10.1.0.9:40000 > 10.1.0.2:80 S",
         {"rule      80:3000 on eth0", "not known before; remembered by this packet (undone)",
          "verdict   goes on",
          "becomes   tcp 10.1.0.9:40000 > 10.1.0.2:3000 [S], checksum correct"}},
        {"tcp [fd01::9]:40000 > [fd01::2]:80 S",
         {"becomes   tcp [fd01::9]:40000 > [fd01::2]:3000"}},
        {"udp 10.1.0.9:40000 > 10.1.0.2:80", {"event     flow", "10.1.0.2:3000, checksum correct"}},
        {"tcp 10.1.0.9:40000 > 10.1.0.2:81 S", {"rule      none", "unchanged"}},
        {"tcp 10.1.0.9:40000 > 10.9.0.2:80 S", {"outcome   not_local", "unchanged"}},
        {"tcp 10.1.0.9:40000 > 224.0.0.1:80 S", {"unchanged"}},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(one.packet);
        auto result = bpfport(net.server, {"trace", "eth0", "--packet", one.packet});
        EXPECT_EQ(result.status, 0) << result.err;
        for (const auto& says : one.says) EXPECT_THAT(result.out, HasSubstr(says));
    }
    // Nothing is left behind that would disturb a client, and nothing is remembered.
    auto now = status(net.server);
    EXPECT_EQ(now["flows"]["hints"]["used"], 0) << now;
    EXPECT_EQ(now["flows"]["udp_flows"]["used"], 0) << now;
    EXPECT_TRUE(refuses(net.server, "trace --packet nonsense", 1, {"nonsense"}));
}

// Entries of a map that the server's namespace has pinned.
Fd instance_map(const Netns& netns, const char* map) {
    return std::move(*open_pin(instance_directory(netns) / map));
}

// On lo a packet takes the rules of the interface that has its address, and none of --no-local.
TEST_F(Trace, ThePacketsRuleIsTheOneTheProgramsChoose) {
    const ClientServer net;
    const Service service(net.server, 3000);
    net.server.sysctl("net/ipv4/ip_forward", "1");
    net.server.ip("route add 10.9.0.0/24 via 10.1.0.1");
    net.server.ip("link add other type veth peer name another");
    ASSERT_TRUE(works(net.server, "attach other 80:3000"));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp"));
    ASSERT_TRUE(works(net.server, "attach any 82:3000 --no-local"));
    ASSERT_TRUE(works(net.server, "attach eth0 83:3000/tcp+udp --forwarded"));
    struct Case {
        const char* interface;
        const char* packet;
        const char* rule;
        const char* says;
    } cases[] = {
        {"lo", "tcp 10.1.0.2:40000 > 10.1.0.2:80 S", "80:3000 on eth0", "remembered by this"},
        {"lo", "udp 10.1.0.2:40000 > 10.1.0.2:80", "80:3000/udp on eth0", "remembered by this"},
        {"lo", "tcp 10.1.0.2:40000 > 10.1.0.2:82 S", "none", "unchanged"},
        {"eth0", "tcp 10.1.0.9:40000 > 10.1.0.2:82 S", "82:3000 on any", "remembered by this"},
        {"eth0", "tcp 10.1.0.9:40000 > 10.9.0.2:83 S", "83:3000 on eth0", "remembered by this"},
        {"eth0", "udp 10.1.0.9:40000 > 10.9.0.2:83", "83:3000/udp on eth0", "remembered by this"},
        {"eth0", "udp 10.1.0.9:40000 > 10.1.0.2:80", "80:3000/udp on eth0", "remembered by this"},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(std::string(one.interface) + " " + one.packet);
        auto result = bpfport(net.server, {"trace", one.interface, "--packet", one.packet});
        EXPECT_EQ(result.status, 0) << result.err;
        EXPECT_THAT(result.out, HasSubstr(std::string("rule      ") + one.rule));
        EXPECT_THAT(result.out, HasSubstr(one.says));
    }
    for (const char* map : {"hints", "udp_flows", "forward_tcp", "forward_udp", "last_local"})
        EXPECT_EQ(map_use(instance_map(net.server, map), map)->entries, 0U)
            << map << " remembers a packet that nobody sent";
}

// A flow is of the rule where it began, whatever the weights are now.
TEST_F(Trace, AFlowOfRulesThatShareIsWhereItBegan) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000*1,4000*0 --engine tc"));
    const auto connection =
        connected(net.client, {"10.1.0.2", 80}, {.source = Endpoint{"10.1.0.1", 40000}});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000*0,4000*1 --engine tc"));
    const auto traced = [&](const char* packet) {
        return bpfport(net.server, {"trace", "eth0", "--packet", packet}).out;
    };
    const auto known = traced("tcp 10.1.0.1:40000 > 10.1.0.2:80 A");
    EXPECT_THAT(known, HasSubstr("rule      80:3000*0 on eth0"));
    EXPECT_THAT(known, HasSubstr("flow      known before"));
    const auto fresh = traced("tcp 10.1.0.1:40001 > 10.1.0.2:80 S");
    EXPECT_THAT(fresh, HasSubstr("rule      80:4000*1 on eth0"));
    EXPECT_THAT(fresh, HasSubstr("not known before"));
}

// What a forwarded connection has on record is larger than a flow: all of it is put back.
TEST_F(Trace, AForwardedConnectionIsAsBefore) {
    const ClientServer net;
    net.server.sysctl("net/ipv4/ip_forward", "1");
    net.server.ip("route add 10.9.0.0/24 via 10.1.0.1");
    ASSERT_TRUE(works(net.server, "attach eth0 83:3000 --forwarded"));
    bp_flow_key key{};
    const auto peer = *parse_address("10.1.0.9");
    const auto local = *parse_address("10.9.0.2");
    std::memcpy(key.peer, peer.bytes.data(), sizeof(key.peer));
    std::memcpy(key.local, local.bytes.data(), sizeof(key.local));
    key.peer_port = htons(40000);
    key.target_port = htons(3000);
    const bp_forward before{{htons(83), htons(3000), 1, 0},
                            {0x12345678, htons(83), BP_CANDIDATE_SYN | 1}};
    const Fd map = instance_map(net.server, "forward_tcp");
    ASSERT_EQ(bpf_map_update_elem(map.get(), &key, &before, BPF_ANY), 0);
    // Straight to the target: it would become a candidate.
    auto result =
        bpfport(net.server, {"trace", "eth0", "--packet", "tcp 10.1.0.9:40000 > 10.9.0.2:3000 S"});
    EXPECT_EQ(result.status, 0) << result.err;
    bp_forward after{};
    ASSERT_EQ(bpf_map_lookup_elem(map.get(), &key, &after), 0);
    EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0)
        << "candidate " << after.candidate.number << " by port "
        << ntohs(after.candidate.listen_port);
}

// A classic capture file of the given frames, in either byte order.
std::string capture_file(const std::vector<Bytes>& frames, bool big_endian) {
    Bytes file;
    auto word = [&](std::uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
            file.push_back(static_cast<std::uint8_t>(value >> (big_endian ? 24 - 8 * i : 8 * i)));
    };
    word(0xa1b2c3d4);
    word(big_endian ? 0x00020004 : 0x00040002);
    for (std::uint32_t value : {0U, 0U, 65535U, 1U}) word(value);
    for (const auto& frame : frames) {
        auto size = static_cast<std::uint32_t>(frame.size());
        for (std::uint32_t value : {0U, 0U, size, size}) word(value);
        put(file, frame);
    }
    auto path = "/tmp/" + unique_name() + ".pcap";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(file.data()),
               static_cast<std::streamsize>(file.size()));
    return path;
}

TEST_F(Trace, CaptureFilesOfBothByteOrders) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    const std::vector<Bytes> frames = {
        (Ethernet{} / Ipv4{.src = "10.1.0.9", .dst = "10.1.0.2"} / Tcp{.dport = 80, .flags = kSyn})
            .build(),
        (Ethernet{} / Ipv4{.src = "10.1.0.9", .dst = "10.1.0.2", .protocol = 1}).build()};
    for (bool big_endian : {false, true}) {
        auto path = capture_file(frames, big_endian);
        auto as_sent = bpfport(net.server, {"trace", "eth0", "--packet", path});
        EXPECT_EQ(as_sent.status, 0) << as_sent.err;
        EXPECT_THAT(as_sent.out, HasSubstr("other_host"));
        EXPECT_THAT(as_sent.err, HasSubstr("--for-host"));
        auto for_host = bpfport(net.server, {"trace", "eth0", "--for-host", "--packet", path});
        EXPECT_THAT(for_host.out, HasSubstr("> 10.1.0.2:3000 [S], checksum correct"));
        EXPECT_THAT(for_host.out, HasSubstr("IP protocol 1"));
        ::unlink(path.c_str());
    }
}

} // namespace
} // namespace bpfport::test
