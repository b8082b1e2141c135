// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Another engine for a rule in force, the end of a rule, and commands that die: what is open stays
// open, and nothing is left behind.
#include <gmock/gmock.h>

#include <csignal>
#include <thread>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;
using Sklookup = SklookupTest;

// A transfer that never pauses, both ways, until it is stopped; says what went wrong.
class Transfer {
  public:
    explicit Transfer(TcpClient client) : client_(std::move(client)), thread_([this] { run(); }) {}
    ~Transfer() { static_cast<void>(stop()); }
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    void wait_for_progress() const {
        const int before = rounds_;
        for (int tries = 0; tries < 500 && rounds_ < before + 3 && !failed_; tries++)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        EXPECT_GE(rounds_, before + 3);
    }
    std::string stop() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
        return error_;
    }

  private:
    void run() {
        const std::string data(30000, 'd');
        while (!stop_ && !failed_) {
            auto answer = client_.echo(data);
            if (!answer || *answer != data) {
                error_ = answer ? "wrong data" : answer.error().message;
                failed_ = true;
            }
            ++rounds_;
            std::this_thread::sleep_for(std::chrono::milliseconds(1)); // leaves the CPU to others
        }
    }

    TcpClient client_;
    std::string error_;
    std::atomic<bool> stop_ = false;
    std::atomic<bool> failed_ = false;
    std::atomic<int> rounds_ = 0;
    std::thread thread_;
};

// Family, and the engine on the other side.
class Switch : public SklookupTest,
               public testing::WithParamInterface<std::tuple<bool, const char*>> {
  protected:
    static bool ipv6() { return std::get<0>(GetParam()); }
    static std::string other() { return std::get<1>(GetParam()); }
    static Endpoint at() { return {ClientServer::server_address(ipv6()), 80}; }
};

TEST_P(Switch, ThereAndBackWithOpenTransfers) {
    TcpServer program(server(), {"::", 3000});
    attach("sklookup");
    auto first = TcpClient::connect(client(), at());
    ASSERT_TRUE(first) << first.error().message;
    Transfer steered(std::move(*first));
    steered.wait_for_progress();

    attach(other());
    steered.wait_for_progress();
    EXPECT_EQ(try_echo(ipv6()), "");
    EXPECT_EQ(connections_on(80), 1U) << "steered before";
    auto second = TcpClient::connect(client(), at());
    ASSERT_TRUE(second) << second.error().message;
    Transfer redirected(std::move(*second));
    redirected.wait_for_progress();

    attach("sklookup");
    steered.wait_for_progress();
    redirected.wait_for_progress();
    auto third = TcpClient::connect(client(), at());
    ASSERT_TRUE(third && third->echo("steered"));
    EXPECT_EQ(connections_on(80), 2U) << "steered before, and again";
    EXPECT_THAT(rule_status().at("notes"), HasSubstr("tc-connections"));
    EXPECT_FALSE(status().at("hooks").empty());
    run_bpfport({"attach", "any", "81:3000", "--engine", "sklookup"});
    redirected.wait_for_progress();
    EXPECT_EQ(redirected.stop(), "");
    EXPECT_EQ(steered.stop(), "");
}

TEST_P(Switch, HooksLeaveWhenTheirLastConnectionHasEnded) {
    TcpServer program(server(), {"::", 3000});
    attach(other());
    auto connection = TcpClient::connect(client(), at());
    ASSERT_TRUE(connection && connection->echo("rewritten"));
    attach("sklookup");
    ASSERT_TRUE(connection->echo("still by tc"));
    connection->reset();
    for (int tries = 0; tries < 50 && status().contains("hooks"); tries++)
        run_bpfport({"attach", "any", "80:3000", "--engine", "sklookup"});
    EXPECT_FALSE(status().contains("hooks"));
    EXPECT_EQ(rule_status().at("notes"), "-");
    EXPECT_EQ(try_echo(ipv6()), "");
}

INSTANTIATE_TEST_SUITE_P(, Switch, testing::Combine(testing::Bool(), testing::Values("tc", "xdp")),
                         [](const auto& each) {
                             return std::string(std::get<0>(each.param) ? "V6_" : "V4_") +
                                    std::get<1>(each.param);
                         });

TEST_F(Sklookup, ConnectionsOutliveDetachAndItSaysSo) {
    TcpServer program(server(), {"::", 3000});
    attach("sklookup");
    auto connection = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(connection && connection->echo("x"));
    EXPECT_THAT(run_bpfport({"detach", "any"}), HasSubstr("1 open connection goes on"));
    EXPECT_TRUE(connection->echo("y"));
    EXPECT_THAT(try_echo(false), HasSubstr("refused"));
}

TEST_F(Sklookup, DrainWaitsForSteeredConnections) {
    TcpServer program(server(), {"::", 3000});
    attach("sklookup");
    auto connection = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(connection && connection->echo("x"));
    std::vector<std::string> command =
        bpfport_command({"--netns", server().name(), "detach", "any", "--drain"});
    Process drain(command);
    for (int tries = 0; tries < 200 && try_echo(false).empty(); tries++)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_THAT(try_echo(false), HasSubstr("refused"));
    EXPECT_TRUE(connection->echo("y"));
    EXPECT_TRUE(drain.running());
    connection->reset();
    EXPECT_EQ(drain.wait().status, 0);
    EXPECT_TRUE(expect_kernel_empty({server()}));
}

TEST_F(Sklookup, KilledAtAnyMoment) {
    TcpServer program(server(), {"::", 3000});
    const auto attach_words = bpfport_command(
        {"--netns", server().name(), "attach", "any", "80:3000", "--engine", "sklookup"});
    for (int delay = 0; delay < 60; delay += 4) {
        Process command(attach_words);
        std::this_thread::sleep_for(std::chrono::milliseconds(delay));
        command.signal(SIGKILL);
        command.wait();
        const auto error = try_echo(false);
        EXPECT_TRUE(error.empty() || error.find("refused") != std::string::npos) << error;
        if (delay % 8 == 0) run_bpfport({"detach", "--all"});
    }
    attach("sklookup");
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(lookup_programs(server()), 1) << "a killed command left its program attached";
}

TEST_F(Sklookup, WhatADeadNamespaceLeftIsSwept) {
    std::string gone;
    {
        Netns mortal;
        auto result = bpfport(mortal, {"attach", "any", "80:3000", "--engine", "sklookup"});
        ASSERT_EQ(result.status, 0) << result.err;
        gone = std::to_string(mortal.inode());
        EXPECT_EQ(lookup_programs(mortal), 1);
    }
    attach("sklookup");
    for (const auto& thing : kernel_holds({}))
        EXPECT_THAT(thing, Not(HasSubstr("sklookup-" + gone)));
}

} // namespace
} // namespace bpfport::test
