// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The numbers are those of the wire: each packet, byte and connection that a client counted is
// counted once. BPFPORT_SOAK=1 for 1,000,000 packets and 10,000 connections.
#include <linux/tcp.h> // glibc's tcp_info ends too early
#include <netinet/in.h>

#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "harness/sweep.hpp"
#include "net/observe/metrics_lab.hpp"
#include "state/store.hpp"
#include "stats/view.hpp"

namespace bpfport::test {
namespace {

using MetricsCount = MetricsLab;

constexpr double kEthernet = 14;

double value(const std::string& text, const std::string& name,
             const std::vector<std::string>& labels) {
    auto found = metric(text, name, labels);
    EXPECT_TRUE(found) << name << " is not in\n" << text;
    return found.value_or(-1);
}

// Sends `count` datagrams and takes as many answers, never more under way than a socket buffers.
unsigned exchange(UdpClient& client, unsigned count, const std::string& data) {
    constexpr unsigned kWindow = 32;
    unsigned answered = 0;
    for (unsigned sent = 0; sent < count;) {
        unsigned burst = std::min(kWindow, count - sent);
        for (unsigned i = 0; i < burst; i++)
            if (!client.send(data)) return answered;
        sent += burst;
        for (unsigned i = 0; i < burst; i++)
            if (client.receive()) answered++;
    }
    return answered;
}

class Families : public MetricsLab, public testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(V4V6, Families, testing::Bool(),
                         [](const auto& one) { return std::string(one.param ? "v6" : "v4"); });

TEST_P(Families, CountsEveryDatagram) {
    const bool ipv6 = GetParam();
    const unsigned count = quick_or_full(20'000, 1'000'000, 4'000);
    const std::string data(100, 'd');
    UdpServer server(net_->server, {ipv6 ? "::" : "0.0.0.0", 3000});
    attach({"eth0", "80:3000/udp"});
    auto client = UdpClient::connect(net_->client, {ClientServer::server_address(ipv6), 80});
    ASSERT_TRUE(client);
    ASSERT_EQ(exchange(*client, count, data), count);

    const std::string text = metrics();
    const std::vector<std::string> rule = {R"(rule="80:3000/udp")", R"(scope="eth0")",
                                           R"(engine="tc")", R"(protocol="udp")"};
    auto with = [&](const std::string& label) {
        auto labels = rule;
        labels.push_back(label);
        return labels;
    };
    const double bytes = count * (kEthernet + (ipv6 ? 40 : 20) + 8 + 100);
    EXPECT_EQ(value(text, "bpfport_packets_total", with(R"(direction="in")")), count);
    EXPECT_EQ(value(text, "bpfport_packets_total", with(R"(direction="out")")), count);
    EXPECT_EQ(value(text, "bpfport_bytes_total", with(R"(direction="in")")), bytes);
    EXPECT_EQ(value(text, "bpfport_bytes_total", with(R"(direction="out")")), bytes);
    EXPECT_EQ(value(text, "bpfport_connections_total", rule), 1);
    EXPECT_FALSE(metric(text, "bpfport_connections_open", rule)) << "UDP has none to count";
    EXPECT_EQ(value(text, "bpfport_flow_entries", {"udp_flows"}), 1);
    EXPECT_EQ(value(text, "bpfport_flows_stored_total", {"udp_flows"}), 1);
}

// Connections by the client's own count, packets and bytes by nft's in the client's namespace.
TEST_P(Families, CountsEveryConnection) {
    REQUIRE_PROGRAM("nft");
    const bool ipv6 = GetParam();
    const unsigned count = quick_or_full(300, 10'000, 60);
    client_nft(
        "table inet wire {\n counter out {}\n counter in {}\n"
        " chain o { type filter hook output priority 0; tcp dport 80 counter name out; }\n"
        " chain i { type filter hook input priority 0; tcp sport 80 counter name in; }\n}\n");
    TcpServer server(net_->server, {ipv6 ? "::" : "0.0.0.0", 3000});
    attach({"eth0", "80:3000"});
    for (unsigned i = 0; i < count; i++) {
        auto client = TcpClient::connect(net_->client, {ClientServer::server_address(ipv6), 80});
        ASSERT_TRUE(client) << client.error().message;
        ASSERT_EQ(client->echo("question").value_or(""), "question");
    }
    auto held = TcpClient::connect(net_->client, {ClientServer::server_address(ipv6), 80});
    ASSERT_TRUE(held && held->echo("still there").has_value());

    // The last connections still say goodbye: wait until the wire is quiet.
    std::string text;
    Wire out{}, in{};
    for (int tries = 0; tries < 50; tries++) {
        Wire before_out = counted("out"), before_in = counted("in");
        text = metrics();
        out = counted("out");
        in = counted("in");
        if (out.packets == before_out.packets && in.packets == before_in.packets &&
            value(text, "bpfport_connections_open", {"80:3000"}) == 1)
            break;
    }
    EXPECT_EQ(value(text, "bpfport_connections_total", {"80:3000"}), count + 1);
    EXPECT_EQ(value(text, "bpfport_connections_open", {"80:3000"}), 1);
    EXPECT_EQ(value(text, "bpfport_packets_total", {"80:3000", R"("in")"}), out.packets);
    EXPECT_EQ(value(text, "bpfport_packets_total", {"80:3000", R"("out")"}), in.packets);
    EXPECT_EQ(value(text, "bpfport_bytes_total", {"80:3000", R"("in")"}),
              out.bytes + kEthernet * out.packets);
    EXPECT_EQ(value(text, "bpfport_bytes_total", {"80:3000", R"("out")"}),
              in.bytes + kEthernet * in.packets);
}

// Super-packets count the segments they stand for, as the client's own TCP counts them.
TEST_F(MetricsCount, CountsSegmentsOfSuperPackets) {
    const unsigned rounds = quick_or_full(20, 700);
    TcpServer server(net_->server, {"0.0.0.0", 3000}, {.reply_bytes = 1'000'000});
    attach({"eth0", "80:3000"});
    auto client = TcpClient::connect(net_->client, {"10.1.0.2", 80});
    ASSERT_TRUE(client);
    for (unsigned i = 0; i < rounds; i++) {
        ASSERT_TRUE(client->send("more"));
        ASSERT_EQ(client->receive(1'000'000).value_or("").size(), 1'000'000U);
    }
    tcp_info info{};
    std::string text;
    for (int tries = 0; tries < 50; tries++) {
        socklen_t size = sizeof(info);
        ASSERT_EQ(::getsockopt(client->socket().get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        text = metrics();
        if (value(text, "bpfport_packets_total", {R"("in")"}) == info.tcpi_segs_out &&
            value(text, "bpfport_packets_total", {R"("out")"}) == info.tcpi_segs_in)
            break;
    }
    EXPECT_GT(info.tcpi_segs_in, rounds * 600);
    EXPECT_EQ(value(text, "bpfport_packets_total", {R"("in")"}), info.tcpi_segs_out);
    EXPECT_EQ(value(text, "bpfport_packets_total", {R"("out")"}), info.tcpi_segs_in);
    EXPECT_EQ(value(text, "bpfport_connections_total", {"80:3000"}), 1);
}

TEST_F(MetricsCount, RetransmittedSynIsNotASecondConnection) {
    REQUIRE_PROGRAM("nft");
    // The first SYN-ACK is lost, and the server does not repeat it by itself: the client's second
    // SYN is what heals the connection.
    net_->server.sysctl("net/ipv4/tcp_synack_retries", "0");
    client_nft("table inet wire {\n counter syn {}\n counter lost {}\n"
               " chain o { type filter hook output priority 0;"
               " tcp dport 80 tcp flags & (syn|ack) == syn counter name syn; }\n"
               " chain i { type filter hook input priority 0; tcp sport 80"
               " tcp flags & (syn|ack) == (syn|ack) limit rate 1/day burst 1 packets"
               " counter name lost drop; }\n}\n");
    TcpServer server(net_->server, {"0.0.0.0", 3000});
    attach({"eth0", "80:3000"});
    auto client =
        TcpClient::connect(net_->client, {"10.1.0.2", 80}, {.timeout = std::chrono::seconds(20)});
    ASSERT_TRUE(client) << client.error().message;
    ASSERT_EQ(client->echo("hello").value_or(""), "hello");
    EXPECT_EQ(counted("lost").packets, 1U);
    EXPECT_GE(counted("syn").packets, 2U);
    EXPECT_EQ(value(metrics(), "bpfport_connections_total", {"80:3000"}), 1);
}

// Read repeatedly while packets are counted: no counter goes back, none exceeds what was sent,
// and open connections never exceed those made.
TEST_F(MetricsCount, ConsistentUnderLoad) {
    UdpServer udp(net_->server, {"0.0.0.0", 3000});
    TcpServer tcp(net_->server, {"0.0.0.0", 3000});
    attach({"eth0", "80:3000/tcp+udp"});
    std::atomic<unsigned> sent = 0, connected = 0, reads = 0;
    std::atomic<bool> over = false;
    std::thread load([&] {
        auto client = UdpClient::connect(net_->client, {"10.1.0.2", 80});
        for (unsigned i = 0; i < 300 || reads < 20; i++) {
            sent += 32;
            exchange(*client, 32, std::string(10, 'x'));
            connected++;
            auto one = TcpClient::connect(net_->client, {"10.1.0.2", 80});
            if (one) static_cast<void>(one->echo("a"));
        }
        over = true;
    });
    bp_counters last_udp{}, last_tcp{};
    for (bool last = false; !last; reads++) {
        last = over;
        auto store = Store::open(state_root(), Store::Access::kRead);
        ASSERT_TRUE(store);
        auto view = net_->server.run([&] { return take_view(*store, Owners::kSkip); });
        ASSERT_TRUE(view && view->interfaces);
        for (const auto& rule : view->interfaces->rules) {
            bool is_udp = rule.rule.rule.protocol() == Protocol::kUdp;
            bp_counters& before = is_udp ? last_udp : last_tcp;
            EXPECT_GE(rule.counters.packets_in, before.packets_in);
            EXPECT_GE(rule.counters.bytes_in, before.bytes_in);
            EXPECT_GE(rule.counters.connections, before.connections);
            if (is_udp) {
                EXPECT_LE(rule.counters.packets_in, sent);
            } else {
                EXPECT_LE(rule.counters.connections, connected);
                EXPECT_LE(rule.open_connections.value_or(0), rule.counters.connections);
            }
            before = rule.counters;
        }
    }
    load.join();
    EXPECT_EQ(last_udp.packets_in, sent);
    EXPECT_EQ(last_tcp.connections, connected);
}

TEST_F(MetricsCount, SurviveRuleChanges) {
    UdpServer server(net_->server, {"0.0.0.0", 3000});
    attach({"eth0", "80:3000/udp"});
    auto client = UdpClient::connect(net_->client, {"10.1.0.2", 80});
    ASSERT_TRUE(client);
    ASSERT_EQ(exchange(*client, 10, "x"), 10U);
    attach({"eth0", "81:3001/udp", "82:3002"});
    ASSERT_EQ(bpfport(net_->server, {"detach", "eth0", "82:3002"}).status, 0);
    ASSERT_EQ(exchange(*client, 10, "x"), 10U);
    EXPECT_EQ(value(metrics(), "bpfport_packets_total", {"80:3000", R"("in")"}), 20);
}

// Rule ids are given out again after as many as the table has: the new rule does not inherit the old one's count.
TEST_F(MetricsCount, NewRuleCountsFromZero) {
    UdpServer server(net_->server, {"0.0.0.0", 3000});
    attach({"eth0", "80:3000/udp", "9:9000/udp"});
    auto client = UdpClient::connect(net_->client, {"10.1.0.2", 80});
    ASSERT_TRUE(client);
    ASSERT_EQ(exchange(*client, 10, "x"), 10U);
    std::vector<std::string> many = {"eth0"};
    for (unsigned i = 0; i < BP_MIN_RULES - 3; i++)
        many.push_back(fmt::format("{}:{}/udp", 1000 + i, 11000 + i));
    attach(many);
    ASSERT_EQ(bpfport(net_->server, {"detach", "eth0", "80:3000/udp"}).status, 0);
    attach({"eth0", "83:3000/udp"});
    EXPECT_EQ(value(metrics(), "bpfport_packets_total", {"83:3000", R"("in")"}), 0);
}

TEST_F(MetricsCount, TellsWhatIsNotInForce) {
    attach({"eth0", "80:3000"});
    EXPECT_EQ(value(metrics(), "bpfport_target_up", {"80:3000"}), 0);
    EXPECT_EQ(value(metrics(), "bpfport_attachment_up", {R"(interface="eth0")"}), 1);
    {
        TcpServer server(net_->server, {"0.0.0.0", 3000});
        EXPECT_EQ(value(metrics(), "bpfport_target_up", {"80:3000"}), 1);
    }
    net_->server.ip("link del eth0");
    const std::string text = metrics();
    EXPECT_EQ(value(text, "bpfport_attachment_up", {R"(interface="eth0")"}), 0);
    EXPECT_EQ(value(text, "bpfport_rule_in_force", {"80:3000"}), 0);
}

} // namespace
} // namespace bpfport::test
