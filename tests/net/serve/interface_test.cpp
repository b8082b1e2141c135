// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What serve does when interfaces, addresses and namespaces come, go and change.
#include "harness/amount.hpp"
#include "net/serve/serving.hpp"

namespace bpfport::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr auto kServer = ClientServer::server_address;
const std::string kTc = "engine = \"tc\"\n";

bool answers(const Netns& from, const Endpoint& at) {
    return ask(from, at, Transport::kTcp, {.timeout = in_time(100ms)}) == "hello";
}

// Before Linux 6.2 one that is up keeps its name.
void set_name(const Netns& netns, const std::string& from, const std::string& to) {
    const bool down = !kernel_at_least(6, 2);
    if (down) netns.ip("link set " + from + " down");
    netns.ip("link set " + from + " name " + to);
    if (down) netns.ip("link set " + to + " up");
}

void make_again(const ClientServer& net) {
    net.server.ip("link del eth0");
    const VethPair link(net.client, "eth0", net.server, "eth0");
    link.a.add_address("10.1.0.1/24");
    link.b.add_address("10.1.0.2/24");
}

class Serving : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(, Serving, testing::Values("tc", "xdp", "auto"), engine_param);

TEST_P(Serving, InterfaceThatIsMadeAgain) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Served serve(net.server,
                 entry("eth0", "\"80:3000\"", fmt::format("engine = \"{}\"\n", GetParam())));
    ASSERT_TRUE(answers(net.client, {kServer(false), 80})) << serve.said();
    Times times;
    const int most = rounds(GetParam() == std::string("auto") ? 20 : 5);
    for (int round = 0; round < most && !HasFailure(); round++) {
        make_again(net);
        const auto time = time_until([&] { return answers(net.client, {kServer(false), 80}); });
        ASSERT_TRUE(time) << serve.said() << bpfport(net.server, {"status"}).out;
        times.add(*time);
    }
    fmt::print("interface made again, {}: {}\n", GetParam(), times.text());
    EXPECT_LE(times.median(), in_time(1s)); // the longest: other tests take the CPUs
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, ServeFollowsNames) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc) + entry("up*", "\"81:3000\"", kTc));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    EXPECT_TRUE(serve.notify.has("STATUS=1 in force, 1 waiting"));
    EXPECT_TRUE(serve.says("up*"));
    set_name(net.server, "eth0", "uplink");
    EXPECT_TRUE(time_until([&] {
        return rules(net.server) == std::vector<std::string>{"81:3000 on uplink"};
    })) << serve.said();
    EXPECT_TRUE(answers(net.client, {kServer(false), 81}));
    EXPECT_FALSE(answers(net.client, {kServer(false), 80}));
    set_name(net.server, "uplink", "eth0");
    EXPECT_TRUE(time_until([&] { return answers(net.client, {kServer(false), 80}); }));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// The programs know the host's addresses, and hooks that were taken off come back.
TEST_F(NetTest, ServeFollowsAddressesAndHooks) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Served serve(net.server, entry("any", "\"80:3000\"", kTc));
    net.link.b.add_address("10.1.0.77/24");
    const auto new_address = time_until([&] { return answers(net.client, {"10.1.0.77", 80}); });
    ASSERT_TRUE(new_address) << serve.said();
    const Netns late;
    const VethPair pair(late, "eth0", net.server, "eth9");
    pair.a.add_address("10.9.0.1/24");
    pair.b.add_address("10.9.0.2/24");
    const auto new_interface = time_until([&] { return answers(late, {"10.9.0.2", 80}); });
    ASSERT_TRUE(new_interface) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(NetTest, ServePutsHooksBack) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Served serve(net.server, "[host]\nhook = \"clsact\"\n" + entry("eth0", "\"80:3000\"", kTc));
    ASSERT_TRUE(answers(net.client, {kServer(false), 80}));
    const auto tc = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"tc", "-n", net.server.name()});
        ASSERT_EQ(run(words).status, 0);
    };
    for (const char* taken : {"qdisc", "filter"}) {
        SCOPED_TRACE(taken);
        if (taken == std::string("qdisc"))
            tc({"qdisc", "del", "dev", "eth0", "clsact"});
        else
            tc({"filter", "del", "dev", "eth0", "ingress"});
        EXPECT_TRUE(time_until([&] {
            return answers(net.client, {kServer(false), 80});
        })) << serve.said();
    }
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// Nothing but its own messages tells of an interface without addresses.
TEST_F(NetTest, ServeFollowsAnInterfaceWithoutAddresses) {
    const ClientServer net;
    Served serve(net.server, entry("late0", "\"80:3000\"", kTc));
    EXPECT_TRUE(serve.notify.has("STATUS=0 in force, 1 waiting"));
    const auto after = [&](const char* command, const char* says) {
        serve.notify.clear();
        net.server.ip(command);
        EXPECT_TRUE(serve.notify.has(says, 3s)) << command << "\n" << serve.said();
    };
    after("link add late0 type veth peer name late1", "STATUS=1 in force");
    after("link set late0 name other0", "STATUS=0 in force, 1 waiting");
    after("link set other0 name late0", "STATUS=1 in force");
    after("link del late0", "STATUS=0 in force, 1 waiting");
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(NetTest, ServeFollowsNamespaces) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const std::string name = net.server.name() + "-late";
    const std::string in_late = kTc + fmt::format("netns = \"{}\"\n", name);
    Served serve(net.server,
                 entry("eth0", "\"80:3000\"", kTc) + entry("lo", "\"81:3000\"", in_late));
    EXPECT_TRUE(serve.notify.has("STATUS=1 in force, 1 waiting"));
    for (int round = 0; round < 3; round++) {
        serve.notify.clear();
        ASSERT_EQ(run({"ip", "netns", "add", name}).status, 0);
        EXPECT_TRUE(serve.notify.has("STATUS=2 in force", 3s)) << serve.said();
        EXPECT_THAT(bpfport({"--netns", name, "status"}).out, HasSubstr("81:3000"));
        serve.notify.clear();
        // Nothing of serve keeps it.
        ASSERT_EQ(run({"ip", "netns", "del", name}).status, 0);
        EXPECT_TRUE(serve.notify.has("STATUS=1 in force, 1 waiting", 3s)) << serve.said();
    }
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A namespace that no file names any more is looked at once more, also where not all could be put into force before.
TEST_F(NetTest, ServeTakesRulesFromANamespaceThatNoFileNames) {
    const ClientServer net;
    const TcpServer taken(net.server, {"::", 83});
    const auto here = entry("eth0", "\"80:3000\"", kTc) + entry("eth0", "\"83:3000\"", kTc);
    const auto there = kTc + fmt::format("netns = \"{}\"\n", net.client.name());
    Served serve(net.server, here + entry("eth0", "\"81:3000\"", there));
    EXPECT_THAT(rules(net.client), ElementsAre("81:3000 on eth0"));
    serve.write(here);
    EXPECT_TRUE(time_until([&] { return rules(net.client).empty(); })) << serve.said();
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
}

// What failed is tried again soon, without an event.
TEST_F(NetTest, ServeTriesAgain) {
    const ClientServer net;
    std::optional<TcpServer> taken;
    taken.emplace(net.server, Endpoint{"::", 83});
    Served serve(net.server, entry("eth0", "\"83:3000\"", kTc));
    EXPECT_THAT(rules(net.server), IsEmpty());
    taken.reset();
    EXPECT_TRUE(time_until([&] { return !rules(net.server).empty(); })) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// One entry can't be put into force: the others are, and are kept so.
TEST_F(NetTest, ServeIsNotKeptFromTheRest) {
    const ClientServer net;
    const Service web(net.server, 3000);
    std::optional<TcpServer> taken;
    taken.emplace(net.server, Endpoint{"::", 83});
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc) + entry("eth0", "\"83:3000\"", kTc) +
                                 entry("eth0", "\"84:3000\"", kTc));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0", "84:3000 on eth0"));
    EXPECT_TRUE(serve.says("port 83 is taken"));
    EXPECT_TRUE(serve.notify.has("STATUS=2 in force; "));
    EXPECT_TRUE(serve.notify.has("policy.toml:"));
    // Said once, however often it is tried.
    for (const char* address : {"10.1.0.11", "10.1.0.12", "10.1.0.13"}) {
        net.link.b.add_address(std::string(address) + "/24");
        EXPECT_TRUE(time_until([&] { return answers(net.client, {address, 84}); }));
    }
    const auto said = serve.said();
    EXPECT_EQ(said.find("port 83 is taken"), said.rfind("port 83 is taken")) << said;
    for (int round = 0; round < 3; round++) {
        make_again(net);
        EXPECT_TRUE(time_until([&] { return answers(net.client, {kServer(false), 84}); }));
    }
    taken.reset();
    net.link.b.add_address("10.1.0.7/24"); // any event
    EXPECT_TRUE(time_until([&] { return answers(net.client, {kServer(false), 83}); }));
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

} // namespace
} // namespace bpfport::test
