// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The listeners change under the sklookup engine: SO_REUSEPORT groups, servers that restart, and
// listeners that can't be steered to.
#include <gmock/gmock.h>

#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "bpfport/listener.h"
#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;

class Groups : public SklookupTest, public testing::WithParamInterface<bool> {
  protected:
    [[nodiscard]] std::vector<std::unique_ptr<TcpServer>> start(int count) const {
        std::vector<std::unique_ptr<TcpServer>> members;
        for (int i = 0; i < count; i++)
            members.push_back(std::make_unique<TcpServer>(server(), Endpoint{"::", 3000},
                                                          ServerOptions{.reuse_port = true}));
        return members;
    }
    // Started before the rule is attached, or afterwards.
    [[nodiscard]] std::vector<std::unique_ptr<TcpServer>> attach_and_start(int count) {
        const bool before = GetParam();
        auto members = start(before ? count : 0);
        attach("sklookup");
        if (!before) members = start(count);
        return members;
    }
};

// Balanced as without us, and served until the last one closes; whichever closes first.
TEST_P(Groups, EachMemberServesAndOneIsEnough) {
    auto members = attach_and_start(4);
    EXPECT_EQ(status().at("sklookup").at("listeners"), 4);

    for (int i = 0; i < 64; i++) ASSERT_EQ(try_echo(i % 2 == 0), "");
    for (const auto& member : members) {
        EXPECT_GE(member->seen().size(), 3U) << "of 64 connections to four members";
        EXPECT_LE(member->seen().size(), 40U);
    }
    for (unsigned order : {0U, 2U, 1U}) {
        members[order].reset();
        for (int i = 0; i < 8; i++) ASSERT_EQ(try_echo(false), "") << "after " << order;
    }
    members.clear();
    EXPECT_THAT(try_echo(false), HasSubstr("refused"));
    TcpServer again(server(), {"::", 3000}, {.reuse_port = true});
    EXPECT_EQ(try_echo(false), "");
}

// More than a look-up tries without being told.
TEST_P(Groups, AnyOfManyIsEnough) {
    auto members = attach_and_start(BP_GROUP_FIRST + 3);
    EXPECT_EQ(status().at("sklookup").at("listeners"), BP_GROUP_FIRST + 3);
    while (members.size() > 1) {
        members.erase(members.begin());
        for (const bool ipv6 : {false, true}) ASSERT_EQ(try_echo(ipv6), "") << members.size();
    }
}

INSTANTIATE_TEST_SUITE_P(, Groups, testing::Values(true, false), [](const auto& each) {
    return each.param ? "StartedBefore" : "StartedAfter";
});

// A server that answers every connection with its generation. `phase` is odd while one listens:
// it becomes so after listen(2) returned and even before close(2) is called.
class Generations {
  public:
    explicit Generations(const Netns& netns) : netns_(netns) {}

    std::atomic<int> phase = 0; // 2n+1: generation n listens

    // Each listens for that time, and, as clients may be slow, until it has given three answers.
    void run(int count, std::chrono::milliseconds each) {
        for (int generation = 0; generation < count; generation++) serve(generation, each);
    }

  private:
    void serve(int generation, std::chrono::milliseconds each) {
        auto socket = open_socket(netns_, AF_INET, SOCK_STREAM | SOCK_NONBLOCK,
                                  {.source = Endpoint{"0.0.0.0", 3000}});
        ASSERT_TRUE(socket) << socket.error().message;
        ASSERT_EQ(::listen(socket->get(), 1024), 0);
        phase = 2 * generation + 1;
        const auto start = std::chrono::steady_clock::now();
        const auto listened = [&] { return std::chrono::steady_clock::now() - start; };
        const std::string answer(1, static_cast<char>(generation));
        int answers = 0;
        while (listened() < each || (answers < 3 && listened() < 20 * each)) {
            const Fd accepted(::accept4(socket->get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (accepted)
                answers += ::send(accepted.get(), answer.data(), 1, MSG_NOSIGNAL) == 1 ? 1 : 0;
            else
                std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        phase = 2 * generation + 2;
    }

    const Netns& netns_;
};

struct Tally {
    int answers = 0;
    int failures = 0;       // of all kinds, while servers came and went
    int wrong_refusals = 0; // although one server listened from before to after
    int stale = 0;          // from a generation that had closed before the client began
};

void ask(const Netns& netns, std::uint16_t port, const std::atomic<int>& phase, Tally& tally) {
    const int before = phase;
    auto connection = TcpClient::connect(netns, {ClientServer::server_address(false), port});
    auto answer = connection ? connection->receive(1) : std::unexpected(connection.error());
    const bool steady = before % 2 == 1 && phase == before;
    if (answer && answer->size() == 1) {
        tally.answers++;
        tally.stale += static_cast<unsigned char>((*answer)[0]) < before / 2;
    } else {
        tally.failures++;
        tally.wrong_refusals += steady;
    }
}

using Sklookup = SklookupTest;

TEST_F(Sklookup, ServerRestartedAHundredTimesUnderLoad) {
    attach("sklookup");
    Generations servers(server());
    std::atomic<bool> stop = false;
    Tally steered, direct;
    // In turns, so that both meet the same moments without a server.
    std::thread clients([&] {
        while (!stop) {
            ask(client(), 80, servers.phase, steered);
            ask(client(), 3000, servers.phase, direct);
        }
    });
    servers.run(100, std::chrono::milliseconds(50));
    stop = true;
    clients.join();
    std::printf("steered: %d answers, %d failures; direct: %d answers, %d failures\n",
                steered.answers, steered.failures, direct.answers, direct.failures);
    EXPECT_GT(steered.answers, 100);
    EXPECT_EQ(steered.stale, 0);
    EXPECT_EQ(steered.wrong_refusals, 0) << "refused while a server listened";
    EXPECT_EQ(direct.wrong_refusals, 0) << "the test itself is wrong";
    EXPECT_LE(steered.failures, direct.failures + direct.failures / 4 + 20);
}

bool have_mptcp(const Netns& netns) {
    return open_socket(netns, AF_INET, SOCK_STREAM, {.mptcp = true}).has_value();
}

// tc serves what can't be steered to, from its first moment, and the rest goes on.
TEST_F(Sklookup, MptcpUnderAutoIsServedByTc) {
    if (!have_mptcp(server())) GTEST_SKIP() << "the kernel has no Multipath TCP";
    std::optional<TcpServer> program;
    program.emplace(server(), Endpoint{"::", 3000});
    attach("auto");
    auto old = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(old && old->echo("steered"));
    EXPECT_EQ(rule_status().at("served_by_tc"), false);

    program.reset();
    program.emplace(server(), Endpoint{"::", 3000}, ServerOptions{.mptcp = true});
    EXPECT_EQ(rule_status().at("served_by_tc"), true);
    for (const Netns* from : {&client(), &server()})
        for (bool ipv6 : {false, true})
            EXPECT_EQ(try_echo(*from, {ClientServer::server_address(ipv6), 80}), "");
    EXPECT_GT(rule_status().at("packets_in"), 0);
    EXPECT_EQ(status().at("outcomes").at("absent_reset"), 0) << "nobody was refused";
    auto by_tc = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(by_tc && by_tc->echo("by tc"));

    // Back to one that can be steered to: tc keeps what it has and sleeps again when told to look.
    program.reset();
    program.emplace(server(), Endpoint{"::", 3000});
    EXPECT_EQ(try_echo(false), "");
    attach("auto");
    EXPECT_EQ(rule_status().at("served_by_tc"), false);
    EXPECT_EQ(try_echo(false), "");
    auto steered = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(steered && steered->echo("steered"));
    EXPECT_EQ(connections_on(80), 1U);
}

TEST_F(Sklookup, MptcpThatListenedBefore) {
    if (!have_mptcp(server())) GTEST_SKIP() << "the kernel has no Multipath TCP";
    TcpServer program(server(), {"::", 3000}, {.mptcp = true});
    auto refused = bpfport(server(), {"attach", "any", "80:3000", "--engine", "sklookup"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("port 3000"));
    EXPECT_THAT(refused.err, HasSubstr("Multipath TCP"));
    EXPECT_THAT(refused.err, HasSubstr("hint: --engine auto or tc"));
    EXPECT_TRUE(expect_kernel_empty({server()}));
    attach("auto");
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(try_echo(true), "");
    EXPECT_EQ(rule_status().at("served_by_tc"), true);
}

} // namespace
} // namespace bpfport::test
