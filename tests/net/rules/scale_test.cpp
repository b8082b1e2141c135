// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Many rules: each address of a port goes to its own target, and a table that is made larger keeps
// connections, counts and rules, however far the command comes.
#include <signal.h>

#include <algorithm>
#include <memory>
#include <random>
#include <sstream>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "net/fixture.hpp"
#include "net/rules/transfer.hpp"
#include "state/instance.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

// " 10001:30001 10002:30002 ..."
std::string many_redirects(unsigned count, unsigned first = 10001) {
    std::string words;
    for (unsigned i = 0; i < count; ++i)
        words += fmt::format(" {}:{}", first + i, first + 20000 + i);
    return words;
}

std::uint32_t capacity(const Netns& netns) {
    return table_maps(instance_directory(netns)).value().capacity.rules;
}

using Scale = EveryEngine;
INSTANTIATE_TEST_SUITE_P(, Scale, testing::Values("tc", "xdp", "sklookup", "auto"), engine_param);

TEST_P(Scale, EachAddressHasItsOwnTarget) {
    const ClientServer net;
    net.server.ip("route add local 10.9.0.0/24 dev lo");
    net.client.ip("route add 10.9.0.0/24 via 10.1.0.2");
    std::vector<std::unique_ptr<TcpServer>> servers;
    std::string words = "eth0";
    for (unsigned i = 0; i < 256; ++i) {
        servers.push_back(std::make_unique<TcpServer>(
            net.server, Endpoint{"0.0.0.0", static_cast<std::uint16_t>(3000 + i)},
            ServerOptions{.answer = fmt::format("{}", i)}));
        words += fmt::format(" 10.9.0.{}:80:{}", i, 3000 + i);
    }
    ASSERT_TRUE(works(net.server, attach(words)));
    for (unsigned i = 0; i < 256; ++i) {
        const Address address = fmt::format("10.9.0.{}", i).c_str();
        ASSERT_EQ(ask(net.client, {address, 80}, Transport::kTcp), fmt::format("{}", i));
    }
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "refused");
    EXPECT_EQ(status(net.server).at("rules").size(), 256U);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// 10.9.0.x is no address of this host, and nothing listens on the targets.
TEST_F(NetTest, WarningsAboutManyRulesAreFewLines) {
    const ClientServer net;
    std::string words = "attach eth0";
    for (unsigned i = 0; i < 200; ++i) words += fmt::format(" 10.9.0.{}:80:{}", i, 3000 + 2 * i);
    const auto attached = tool(net.server, words);
    EXPECT_EQ(attached.status, 0) << attached.err;
    EXPECT_LT(std::ranges::count(attached.err, '\n'), 60) << attached.err;
    EXPECT_THAT(attached.err, HasSubstr("no interface of this host has 10.9.0.0"));
    EXPECT_THAT(attached.err, HasSubstr("180 more like these"));
    EXPECT_THAT(attached.err, HasSubstr("and 190 other ranges"));
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_P(Scale, ALargerTableKeepsConnectionsAndCounts) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
    auto idle = connected(net.client, {kServer(true), 80});
    ASSERT_TRUE(alive(idle));
    Transfer busy(net.client, {kServer(false), 80});
    const auto connections = [&] {
        return status(net.server).at("rules").at(0).at("connections").get<std::uint64_t>();
    };
    ASSERT_EQ(capacity(net.server), unsigned{BP_MIN_RULES});
    for (const unsigned step : {1U, 2U}) {
        const auto before = connections();
        ASSERT_TRUE(works(net.server, attach("eth0" + many_redirects(600, 9000 + step * 1000))));
        EXPECT_EQ(capacity(net.server), step * 1024);
        EXPECT_GE(connections(), before);
        EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
        EXPECT_TRUE(alive(idle));
        EXPECT_GT(connections(), before);
    }
    EXPECT_EQ(rules(net.server).size(), 1201U);
    EXPECT_GT(busy.finish(), 1U);
    EXPECT_TRUE(alive(idle));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Killed anywhere in a change that needs a larger table: what was served is served on, and the
// next command brings all rules.
TEST_P(Scale, KilledWhileTheTableIsMadeLarger) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const auto count = static_cast<unsigned>(quick_or_full(1500, 10000));
    const auto words = attach("eth0" + many_redirects(count));
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < int(quick_or_full(3, 60, 1)); ++round) {
        ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
        Transfer busy(net.client, {kServer(false), 80});
        std::vector<std::string> command{"--netns", net.server.name()};
        std::istringstream split(words);
        for (std::string word; split >> word;) command.push_back(word);
        Process attaching(bpfport_command(command));
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % (count / 4)));
        attaching.signal(SIGKILL);
        attaching.wait();
        EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, attach("eth0 81:3000")));
        EXPECT_EQ(ask(net.client, {kServer(true), 81}, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, words));
        EXPECT_EQ(rules(net.server).size(), count + 2);
        EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
        EXPECT_GT(busy.finish(), 1U);
        ASSERT_TRUE(works(net.server, "detach --all"));
        ASSERT_TRUE(expect_kernel_empty({net.server}));
    }
}

} // namespace
} // namespace bpfport::test
