// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/sklookup/sklookup.hpp"

#include <bpf/bpf.h>
#include <netinet/tcp.h>

#include "kernel/sock_diag.hpp"

namespace bpfport::test {

int lookup_programs(const Netns& netns) {
    __u32 count = 0;
    if (::bpf_prog_query(netns.fd(), BPF_SK_LOOKUP, 0, nullptr, nullptr, &count) != 0) return -1;
    return static_cast<int>(count);
}

void SklookupTest::SetUp() {
    REQUIRE_ROOT();
    REQUIRE_KERNEL(5, 17);
    if (cgroup_root().empty()) GTEST_SKIP() << "needs a mounted cgroup2 hierarchy";
    require_bpffs();
    net_.emplace();
}

void SklookupTest::TearDown() {
    if (!net_) return;
    EXPECT_EQ(bpfport(server(), {"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net_->client, net_->server}));
    EXPECT_EQ(lookup_programs(server()), 0);
}

std::string SklookupTest::run_bpfport(std::vector<std::string> arguments) {
    auto result = bpfport(server(), std::move(arguments));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.out + result.err;
}

void SklookupTest::attach(const std::string& engine, std::vector<std::string> words) {
    words.insert(words.begin(), {"attach", "--engine", engine});
    run_bpfport(std::move(words));
}

nlohmann::json SklookupTest::status() {
    return nlohmann::json::parse(bpfport(server(), {"status", "--json"}).out);
}

nlohmann::json SklookupTest::rule_status() { return status().at("rules").at(0); }

std::size_t SklookupTest::connections_on(std::uint16_t port) {
    return server().run([&] {
        return sockets({Protocol::kTcp, 1U << TCP_ESTABLISHED, port}).value().size();
    });
}

std::string SklookupTest::try_echo(const Netns& from, const Endpoint& to) {
    auto connection = TcpClient::connect(from, to);
    if (!connection) return connection.error().message;
    auto answer = connection->echo("hello");
    if (!answer) return answer.error().message;
    return *answer == "hello" ? "" : "another answer: " + *answer;
}

std::string SklookupTest::try_echo(bool ipv6, std::uint16_t port) {
    return try_echo(client(), {ClientServer::server_address(ipv6), port});
}

} // namespace bpfport::test
