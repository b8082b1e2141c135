// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Real programs behind rules: nginx as nobody with curl, iperf3, dnsmasq.
#include "net/fixture.hpp"
#include "net/nginx.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

std::string curl(const Netns& netns, const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = {
        "curl",       "-sS", "-g",
        "--max-time", "20",  "-o",
        "/dev/null",  "-w",  "%{http_code} %{size_download} %{num_connects};"};
    for (const std::string& argument : arguments) argv.push_back(argument);
    const auto done = run(argv, {.netns = &netns});
    return done.out + done.err;
}

class Programs : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(, Programs, testing::Values("tc", "xdp", "auto"), engine_param);

TEST_P(Programs, NginxAndCurl) {
    REQUIRE_PROGRAM("nginx");
    REQUIRE_PROGRAM("curl");
    for (const bool tx_checksum : {true, false}) {
        const ClientServer net(tx_checksum);
        const Nginx nginx(net.server);
        ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
        for (const std::string host : {"10.1.0.2", "[fd01::2]"}) {
            const std::string small = "http://" + host + "/small";
            const std::string large = "http://" + host + "/large";
            EXPECT_EQ(curl(net.client, {small}), "200 6 1;");
            EXPECT_EQ(curl(net.server, {small}), "200 6 1;");
            EXPECT_EQ(curl(net.client, {large}), "200 10485760 1;");
            // Kept alive: the second one needs no new connection.
            EXPECT_EQ(curl(net.client, {small, large, "-o", "/dev/null", "-o", "/dev/null"}),
                      "200 6 1;200 10485760 0;");
            EXPECT_EQ(curl(net.client, {"http://" + host + ":3000/large"}), "200 10485760 1;");
        }
        EXPECT_EQ(curl(net.server, {"http://localhost/small"}), "200 6 1;");
        const auto now = status(net.server);
        EXPECT_THAT(now.at("rules").at(0).at("listeners").at(0).at("process").get<std::string>(),
                    HasSubstr("nginx"));
        ASSERT_TRUE(works(net.server, "detach eth0"));
        EXPECT_TRUE(expect_kernel_empty({net.server}));
    }
}

TEST_P(Programs, Iperf3TcpAndUdp) {
    REQUIRE_PROGRAM("iperf3");
    const ClientServer net;
    const Process server({"iperf3", "-s", "-p", "5201"}, {.netns = &net.server, .uid = kNobody});
    ASSERT_TRUE(wait_for_port(net.server, 5201));
    ASSERT_TRUE(works(net.server, attach("eth0 80:5201/tcp+udp")));
    const std::vector<std::vector<std::string>> cases = {
        {"-c", "10.1.0.2"},
        {"-c", "fd01::2", "-R"},
        {"-c", "10.1.0.2", "-u", "-b", "50M", "-l", "1400"},
        {"-c", "fd01::2", "-u", "-b", "50M", "-R", "-l", "1400"},
    };
    for (const auto& one : cases) {
        std::vector<std::string> argv = {"iperf3", "-p", "80", "-J", "-t", "1"};
        argv.insert(argv.end(), one.begin(), one.end());
        const auto done = run(argv, {.netns = &net.client});
        ASSERT_EQ(done.status, 0) << one[1] << "\n" << done.out << done.err;
        const auto end = nlohmann::json::parse(done.out).at("end");
        const bool udp = end.contains("sum");
        EXPECT_GT(end.at(udp ? "sum" : "sum_received").at("bytes").get<double>(), 1e6) << end;
        if (udp) {
            EXPECT_LT(end.at("sum").at("lost_percent").get<double>(), 50) << end;
        }
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// A DNS query for the A record of service.test, as RFC 1035 has it.
std::string query() {
    return std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12) +
           std::string("\x07service\x04test\x00\x00\x01\x00\x01", 18);
}

// The answer's last four bytes are the address.
bool answers(const std::string& reply) {
    return reply.size() >= query().size() + 16 && reply.substr(0, 2) == "\x12\x34" &&
           reply.find(std::string("\xc0\x00\x02\x07", 4)) != std::string::npos; // 192.0.2.7
}

TEST_P(Programs, DnsmasqOverUdpAndTcp) {
    REQUIRE_PROGRAM("dnsmasq");
    const ClientServer net;
    const Process server({"dnsmasq", "-k", "--conf-file=/dev/null", "-p", "5300", "--no-resolv",
                          "--no-hosts", "--pid-file", "--address=/service.test/192.0.2.7"},
                         {.netns = &net.server, .uid = kNobody});
    ASSERT_TRUE(wait_for_port(net.server, 5300, true));
    ASSERT_TRUE(works(net.server, attach("eth0 53:5300/tcp+udp")));
    for (const Netns* from : {&net.client, &net.server})
        for (const bool ipv6 : {false, true}) {
            SCOPED_TRACE(ipv6 ? "v6" : "v4");
            auto udp = UdpClient::connect(*from, {kServer(ipv6), 53});
            EXPECT_TRUE(answers(udp->echo(query()).value_or(Datagram{}).data));
        }
    // It closes TCP connections that getsockname says are on another port than its own.
    for (const Netns* from : {&net.client, &net.server})
        for (const bool ipv6 : {false, true}) {
            SCOPED_TRACE(ipv6 ? "v6" : "v4");
            auto tcp = connected(*from, {kServer(ipv6), 53});
            ASSERT_TRUE(tcp.send(std::string("\x00\x1e", 2) + query()));
            const std::string length = tcp.receive(2).value_or("");
            ASSERT_EQ(length.size(), 2U);
            const auto size = static_cast<std::size_t>(static_cast<unsigned char>(length[1]));
            EXPECT_TRUE(answers(tcp.receive(size).value_or("")));
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
