// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// --on-absent: what clients get while no program listens on the target. --exclusive: no client goes
// straight to the target.
#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

struct Absent {
    const char* choice;
    const char* answer;       // nobody on the target
    const char* listen_owner; // a server on the listen port, nobody on the target
    const char* counted;      // the outcome it is counted as
};

class OnAbsent : public NetTest,
                 public testing::WithParamInterface<std::tuple<Absent, const char*>> {};

INSTANTIATE_TEST_SUITE_P(
    , OnAbsent,
    testing::Combine(testing::Values(Absent{"reset", "refused", "refused", ""},
                                     Absent{"drop", "silent", "silent", "absent_dropped"},
                                     Absent{"pass", "refused", "own", "absent_passed"}),
                     testing::Values("tc", "xdp", "sklookup")),
    [](const auto& test) {
        return std::string(std::get<0>(test.param).choice) + "_" + std::get<1>(test.param);
    });

TEST_P(OnAbsent, UntilSomebodyListens) {
    const auto& [absent, engine] = GetParam();
    const auto& [choice, answer, listen_owner, counted] = absent;
    REQUIRE_ENGINE(engine);
    const ClientServer net(false);
    const std::string attach =
        std::string("attach eth0 80:3000/tcp+udp --on-absent ") + choice + " --engine " + engine;
    if (steers(engine) && choice == std::string_view("drop")) {
        EXPECT_TRUE(refuses(net.server, attach, 1,
                            {"a socket can only be refused", "--engine tc serves it"}));
        return;
    }
    ASSERT_TRUE(works(net.server, attach));
    std::optional<Service> own;
    for (const char* expected : {answer, listen_owner}) {
        for (const Netns* from : {&net.client, &net.server})
            for (const Flavour& flavour : kFlavours)
                EXPECT_EQ(ask(*from, {kServer(flavour.ipv6), 80}, flavour.transport,
                              expected == std::string_view("silent") ? kSilence : SocketOptions{}),
                          expected)
                    << from->name() << " " << flavour.text();
        if (!own) own.emplace(net.server, 80, ServerOptions{.answer = "own"});
    }
    if (*counted != '\0') {
        EXPECT_GE(outcome(net.server, counted), 16U);
    }
    // It takes effect at once when a program comes, and its connections outlive its listener.
    std::optional<Service> web(std::in_place, net.server, 3000, ServerOptions{.answer = "web"});
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "web")
            << flavour.text();
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

class Exclusive : public NetTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(, Exclusive, testing::Values("reset", "drop"),
                         [](const auto& test) { return std::string(test.param); });

// What finds no listener is no connection, although it is put on record to be shown one.
TEST_F(NetTest, ExclusiveWithoutAListenerCountsNothing) {
    const ClientServer net(false);
    ASSERT_TRUE(
        works(net.server, "attach eth0 80:3000/tcp+udp --engine tc --exclusive --on-absent drop"));
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport, kSilence),
                  "silent");
    const auto silent = status(net.server);
    ASSERT_EQ(silent.at("rules").size(), 2U);
    for (const auto& rule : silent.at("rules")) EXPECT_EQ(rule.at("connections"), 0) << rule.dump();
    const Service web(net.server, 3000);
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
    const auto answered = status(net.server);
    for (const auto& rule : answered.at("rules"))
        EXPECT_GE(rule.at("connections"), 2) << rule.dump();
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Exclusive, NobodyGoesStraightToTheTarget) {
    const std::string answer = GetParam() == std::string_view("drop") ? "silent" : "refused";
    const ClientServer net(false);
    const Service web(net.server, 3000);
    auto outside = connected(net.client, {kServer(false), 3000});
    auto inside = connected(net.server, {"::1", 3000});
    ASSERT_TRUE(works(net.server, std::string("attach eth0 80:3000/tcp+udp --exclusive "
                                              "--on-absent ") +
                                      GetParam()));
    struct Place {
        const Netns& from;
        Address v4;
        Address v6;
    };
    const Place places[] = {{net.client, kServer(false), kServer(true)},
                            {net.server, kServer(false), kServer(true)},
                            {net.server, "127.0.0.1", "::1"}};
    for (const Place& place : places)
        for (const Flavour& flavour : kFlavours) {
            const Address to = flavour.ipv6 ? place.v6 : place.v4;
            EXPECT_EQ(ask(place.from, {to, 80}, flavour.transport), "hello")
                << to.text() << " " << flavour.text();
            EXPECT_EQ(ask(place.from, {to, 3000}, flavour.transport,
                          answer == "silent" || flavour.transport == Transport::kUdp
                              ? kSilence
                              : SocketOptions{.timeout = 3s}),
                      flavour.transport == Transport::kUdp ? "silent" : answer)
                << to.text() << " " << flavour.text();
        }
    EXPECT_GE(outcome(net.server, "exclusive"), 12U);
    EXPECT_TRUE(alive(outside));
    EXPECT_TRUE(alive(inside));
    // A conversation that the host itself begins from the target port gets its answers.
    const UdpServer peer(net.client, {"::", 9000});
    for (const bool ipv6 : {false, true}) {
        auto begins =
            UdpClient::connect(net.server, {ClientServer::client_address(ipv6), 9000},
                               {.source = Endpoint{kServer(ipv6), 3000}, .reuse_port = false});
        ASSERT_TRUE(begins) << begins.error().message;
        EXPECT_EQ(begins->echo("question").value_or(Datagram{}).data, "question")
            << (ipv6 ? "v6" : "v4");
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_EQ(ask(net.client, {kServer(true), 3000}, Transport::kUdp), "hello");
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
