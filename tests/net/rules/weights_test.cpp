// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Targets that share a listen port by weight: who gets a new connection, that one which exists stays where
// it is, and --on-absent next.
#include <list>
#include <map>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "harness/share_hash.hpp"
#include "net/fixture.hpp"
#include "net/rules/answers.hpp"
#include "net/rules/policy.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
// What the servers on 3000 and 4000 answer, of the same length.
constexpr const char* kBlue = "blue";
constexpr const char* kLime = "lime";

class Weights : public EveryEngine {
  protected:
    static bool is_draining(const Netns& netns) {
        const auto rule = status(netns).at("rules").at(0);
        return rule.at("notes").get<std::string>().find("draining") != std::string::npos;
    }
    // The first one's share in percent.
    static std::string shares(unsigned blue) {
        return fmt::format("eth0 80:3000*{},4000*{}/tcp+udp", blue, 100 - blue);
    }
};
INSTANTIATE_TEST_SUITE_P(, Weights, testing::Values("tc", "xdp", "sklookup", "auto"), engine_param);

std::string asked(TcpClient& connection) {
    if (auto sent = connection.send("hello"); !sent) return sent.error().message;
    auto answer = connection.receive(4);
    return answer ? *answer : answer.error().message;
}

std::string asked(UdpClient& flow) {
    auto answer = flow.echo("hello");
    return answer ? answer->data : answer.error().message;
}

// Some of both families, each with the server that it had at first.
std::list<std::pair<std::string, TcpClient>> connections(const ClientServer& net) {
    std::list<std::pair<std::string, TcpClient>> open;
    for (int i = 0; i < 12; i++) {
        open.emplace_back("", connected(net.client, {kServer(i % 2), 80}));
        open.back().first = asked(open.back().second);
    }
    return open;
}

// Connections and flows of a client, each with the server that it had at first.
class Living {
  public:
    explicit Living(const ClientServer& net) : net_(net) {}

    void begin(std::uint16_t port) {
        for (const bool ipv6 : {false, true}) {
            const Endpoint server{kServer(ipv6), 80};
            const SocketOptions from{.source = Endpoint{ClientServer::client_address(ipv6), port}};
            connections_.emplace_back("", connected(net_.client, server, from));
            connections_.back().first = asked(connections_.back().second);
            flows_.emplace_back("", *UdpClient::connect(net_.client, server, from));
            flows_.back().first = asked(flows_.back().second);
        }
    }
    void expect_as_before(const std::string& when) {
        SCOPED_TRACE(when);
        for (auto& [server, connection] : connections_)
            EXPECT_EQ(asked(connection), server) << connection.local().text();
        for (auto& [server, flow] : flows_) EXPECT_EQ(asked(flow), server) << flow.local().text();
    }
    [[nodiscard]] std::map<std::string, int> servers() const {
        std::map<std::string, int> count;
        for (const auto& [server, _] : connections_) count[server]++;
        for (const auto& [server, _] : flows_) count[server]++;
        return count;
    }
    void end() {
        connections_.clear();
        flows_.clear();
    }

  private:
    const ClientServer& net_;
    std::list<std::pair<std::string, TcpClient>> connections_;
    std::list<std::pair<std::string, UdpClient>> flows_;
};

// Each from a port of its own: a UDP flow that another client of the test has begun there goes on.
void expect_all_get(const ClientServer& net, const std::string& answer,
                    std::optional<Transport> only = {}) {
    static std::uint16_t port = 30000;
    for (const Flavour& flavour : kFlavours)
        for (int i = 0; i < 4 && (!only || *only == flavour.transport); i++)
            EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport,
                          {.source = Endpoint{ClientServer::client_address(flavour.ipv6), port++},
                           .timeout = 3s}),
                      answer)
                << flavour.text();
}

TEST_P(Weights, EachClientGetsTheTargetOfItsHash) {
    const ClientServer net;
    const Answers blue(net.server, 3000, kBlue), lime(net.server, 4000, kLime);
    ASSERT_TRUE(works(net.server, attach(shares(70))));
    std::map<std::string, int> got;
    for (std::uint16_t port = 20000; port < 20060; port++)
        for (const Flavour& flavour : kFlavours) {
            const auto answer =
                ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport,
                    {.source = Endpoint{ClientServer::client_address(flavour.ipv6), port}});
            EXPECT_EQ(answer, share_of({ClientServer::client_address(flavour.ipv6), port},
                                       kServer(flavour.ipv6)) < 0.7
                                  ? kBlue
                                  : kLime)
                << flavour.text() << " from port " << port;
            got[answer]++;
        }
    EXPECT_GT(got[kBlue], 100);
    EXPECT_GT(got[kLime], 40);
    const auto rules = status(net.server).at("rules");
    EXPECT_EQ(rules.at(0).at("rule"), "80:3000*70");
    EXPECT_EQ(rules.at(0).at("weight"), 70);
    std::uint64_t counted = 0;
    for (const auto& rule : rules) counted += rule.at("connections").get<std::uint64_t>();
    EXPECT_EQ(counted, 240U) << "each target counts its own";
    ASSERT_TRUE(works(net.server, "detach eth0 80:3000*1,4000*1/tcp+udp")) << "whatever the weight";
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Weights, AChangeMovesNothingThatLives) {
    const ClientServer net;
    const Answers blue(net.server, 3000, kBlue), lime(net.server, 4000, kLime);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    Living living(net);
    for (std::uint16_t port = 20000; port < 20005; port++) living.begin(port);
    EXPECT_EQ(living.servers()[kBlue], 20) << "without a weight it gets all";
    ASSERT_TRUE(works(net.server, attach(shares(50)))) << "the rule gets a weight";
    living.expect_as_before("50");
    for (std::uint16_t port = 20005; port < 20020; port++) living.begin(port);
    EXPECT_GT(living.servers()[kLime], 10);
    for (const unsigned blues : {0U, 100U, 30U}) {
        ASSERT_TRUE(works(net.server, attach(shares(blues))));
        living.expect_as_before(std::to_string(blues));
        if (blues % 100 == 0) expect_all_get(net, blues ? kBlue : kLime);
    }
    living.end();
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A flood may push hints out. tc knows the connection by its socket then.
TEST_P(Weights, AConnectionIsFoundWithoutItsHint) {
    const ClientServer net;
    const Answers blue(net.server, 3000, kBlue), lime(net.server, 4000, kLime);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000*1,4000*1")));
    auto open = connections(net);
    for (const char* weights : {"80:3000*1,4000*0", "80:3000*0,4000*1"}) {
        ASSERT_TRUE(works(net.server, attach(std::string("eth0 ") + weights)));
        forget_hints(net.server);
        for (auto& [server, connection] : open) EXPECT_EQ(asked(connection), server) << weights;
    }
    open.clear();
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Weights, NextLeavesOutATargetWithoutAListener) {
    const ClientServer net;
    const Answers blue(net.server, 3000, kBlue);
    auto lime = std::make_unique<Answers>(net.server, 4000, kLime);
    ASSERT_TRUE(works(net.server, attach(shares(50) + " --on-absent next")));
    EXPECT_EQ(status(net.server).at("rules").at(0).at("notes"), "on-absent:next");
    lime.reset();
    expect_all_get(net, kBlue);
    Living living(net);
    for (std::uint16_t port = 20000; port < 20010; port++) living.begin(port);
    lime = std::make_unique<Answers>(net.server, 4000, kLime);
    living.expect_as_before("the other one is back");
    for (std::uint16_t port = 21000; port < 21020; port++) living.begin(port);
    EXPECT_GT(living.servers()[kLime], 10);
    living.end();
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Weights, NextRefusesWhereNoTargetHasAListener) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, attach(shares(50) + " --on-absent next")));
    expect_all_get(net, "refused");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Weights, ATargetIsAddedDrainedAndTakenOut) {
    const ClientServer net;
    const Answers blue(net.server, 3000, kBlue), lime(net.server, 4000, kLime);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000*1/tcp+udp")));
    expect_all_get(net, kBlue);
    ASSERT_TRUE(works(net.server, attach("eth0 80:4000*1/tcp+udp")));
    auto open = connections(net);
    Process draining(bpfport_command(
        {"--netns", net.server.name(), "detach", "eth0", "80:3000/tcp+udp", "--drain"}));
    for (int i = 0; i < 100 && !is_draining(net.server); i++) std::this_thread::sleep_for(20ms);
    expect_all_get(net, kLime);
    for (auto& [server, connection] : open) EXPECT_EQ(asked(connection), server);
    open.clear();
    EXPECT_EQ(draining.wait().status, 0);
    EXPECT_EQ(rules(net.server),
              (std::vector<std::string>{"80:4000*1 on eth0", "80:4000*1/udp on eth0"}));
    expect_all_get(net, kLime);
    ASSERT_TRUE(works(net.server, attach("eth0 80:4000/tcp+udp"))) << "it needs no weight any more";
    EXPECT_EQ(rules(net.server).front(), "80:4000 on eth0");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Weights, WhatIsRefused) {
    const ClientServer net;
    const auto refused = [&](const std::string& words, const std::string& says) {
        EXPECT_TRUE(refuses(net.server, attach("eth0 " + words), 2, {says})) << words;
    };
    refused("80:3000,4000", "target 3000 has no weight");
    refused("80:3000*1,4000", "target 4000 has no weight");
    refused("80:3000*1,3000*2", "target 3000 is there twice");
    refused("80:3000*0,4000*0", "all weights are 0");
    refused("80:3000*70000,4000*1", "weight \"70000\" of target 3000");
    refused("80:3000*1,4000*1 --forwarded", "does not go with --forwarded");
    refused("80:3000 --on-absent next", "80:3000*95,4000*5");
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
    EXPECT_TRUE(refuses(net.server, attach("eth0 80:4000*5"), 1,
                        {"80:4000*5 on eth0 conflicts with 80:3000 on eth0", "both a weight"}));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Files that give a rule weights, change them and take them away again: it is the same rule all the time.
TEST_F(NetTest, WeightsOfAPolicy) {
    const ClientServer net;
    const Answers blue(net.server, 3000, kBlue), lime(net.server, 4000, kLime);
    const std::string tc = "engine = \"tc\"";
    const auto put = [&](const char* list, const std::string& says) {
        const PolicyText file(entry("eth0", list, tc));
        const auto applied = apply(net.server, file, {"--prune"});
        EXPECT_EQ(applied.status, 0) << applied.err;
        EXPECT_THAT(applied.out, HasSubstr(says)) << list;
        EXPECT_THAT(apply(net.server, file, {"--prune"}).out, testing::Not(HasSubstr("changed")));
    };
    put("\"80:3000\"", "added: 80:3000 on eth0 (tc)");
    auto open = connected(net.client, {kServer(false), 80});
    ASSERT_EQ(asked(open), kBlue);
    put("\"80:3000*1,4000*1\"", "changed: 80:3000*1 on eth0 (tc), before: 80:3000");
    put("\"80:3000*0,4000*1\"", "changed: 80:3000*0 on eth0 (tc), before: 80:3000*1");
    EXPECT_EQ(asked(open), kBlue);
    expect_all_get(net, kLime, Transport::kTcp);
    const auto exported = bpfport(net.server, {"export"});
    EXPECT_THAT(exported.out, HasSubstr("80:3000*0"));
    EXPECT_THAT(exported.out, HasSubstr("80:4000*1"));
    put("\"80:3000\"", "removed: 80:4000*1 on eth0 (tc)");
    EXPECT_EQ(asked(open), kBlue);
    expect_all_get(net, kBlue, Transport::kTcp);
    EXPECT_EQ(status(net.server).at("rules").at(0).at("connections"), 9)
        << "the rule's counters are those of the first";
    open.reset();
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
