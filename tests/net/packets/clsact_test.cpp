// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The clsact hook beside other qdiscs, and hooks of which one half is gone: the way in is never
// hooked without the way out, and status and doctor see where it came to that.
#include <fmt/format.h>

#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr const char* kNoWayOut =
    "our program on the way out is gone: replies keep the target port";

void tc(const Netns& netns, const std::string& words) {
    const auto done = run({"sh", "-c", "exec tc " + words}, {.netns = &netns});
    ASSERT_EQ(done.status, 0) << "tc " << words << ": " << done.err;
}

nlohmann::json hook_of(const Netns& netns, const std::string& interface) {
    const auto now = status(netns);
    for (const auto& hook : now.at("hooks"))
        if (hook.at("interface") == interface) return hook;
    return {};
}

class Clsact : public EveryEngine {
  protected:
    void SetUp() override {
        EveryEngine::SetUp();
        if (!IsSkipped()) REQUIRE_PROGRAM("tc");
    }
};
INSTANTIATE_TEST_SUITE_P(, Clsact, testing::Values("auto", "tc", "xdp"), engine_param);

// Of an ingress qdisc, clsact has the place but not the way out: replies would keep the target port.
TEST_P(Clsact, IsRefusedBesideAnIngressQdisc) {
    for (const char* device : {"eth0", "lo"}) {
        SCOPED_TRACE(device);
        const ClientServer net;
        const Service web(net.server, 3000);
        tc(net.server, fmt::format("qdisc add dev {} ingress", device));
        EXPECT_TRUE(refuses(net.server, attach("eth0 80:3000 --hook clsact"), 1,
                            {device, "an ingress qdisc has its place", "tc qdisc del dev"}));
        EXPECT_TRUE(expect_kernel_empty({net.server}));
        for (const bool ipv6 : {false, true})
            EXPECT_EQ(ask(net.client, {kServer(ipv6), 80}, Transport::kTcp), "refused");
        tc(net.server, fmt::format("qdisc del dev {} ingress", device));
        ASSERT_TRUE(works(net.server, attach("eth0 80:3000 --hook clsact")));
        for (const bool ipv6 : {false, true})
            EXPECT_EQ(ask(net.client, {kServer(ipv6), 80}, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, "detach eth0"));
    }
}

TEST_F(NetTest, WhatNeedsNoClsactIsServedBesideAnIngressQdisc) {
    REQUIRE_PROGRAM("tc");
    REQUIRE_KERNEL(6, 6);
    const ClientServer net;
    const Service web(net.server, 3000);
    tc(net.server, "qdisc add dev eth0 ingress");
    for (const char* options : {"--engine tc --hook tcx", "--engine sklookup --hook clsact"}) {
        SCOPED_TRACE(options);
        ASSERT_TRUE(works(net.server, std::string("attach eth0 80:3000 ") + options));
        for (const bool ipv6 : {false, true})
            EXPECT_EQ(ask(net.client, {kServer(ipv6), 80}, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, "detach eth0"));
    }
}

TEST_F(NetTest, AHalfHookIsSeenAndHealed) {
    REQUIRE_PROGRAM("tc");
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --hook clsact"));
    tc(net.server, "filter del dev eth0 egress");
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp, kSilence), "silent");
    EXPECT_EQ(hook_of(net.server, "eth0").at("alive"), false);
    EXPECT_THAT(hook_of(net.server, "eth0").at("lost").get<std::string>(), HasSubstr(kNoWayOut));
    EXPECT_EQ(hook_of(net.server, "lo").at("lost"), "");
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr(std::string("eth0: ") + kNoWayOut));
    const auto found = tool(net.server, "doctor");
    EXPECT_EQ(found.status, 1);
    EXPECT_THAT(found.out, HasSubstr(kNoWayOut));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --hook clsact"));
    EXPECT_EQ(hook_of(net.server, "eth0").at("alive"), true);
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The filter for the way out is there, by name, but an ingress qdisc runs it on the way in.
TEST_F(NetTest, AFilterForTheWayOutOnAnIngressQdiscIsNone) {
    REQUIRE_PROGRAM("tc");
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --hook clsact"));
    const std::string programs = instance_directory(net.server);
    tc(net.server, "qdisc del dev eth0 clsact");
    tc(net.server, "qdisc add dev eth0 ingress");
    for (const auto& [parent, priority, program] :
         {std::tuple("ffff:fff3", 0xfffe, "tc_out"), std::tuple("ffff:fff2", 1, "tc_in")})
        tc(net.server,
           fmt::format("filter add dev eth0 parent {} prio {} handle 0xb9f protocol all "
                       "bpf da object-pinned {}/{}",
                       parent, priority, programs, program));
    EXPECT_THAT(hook_of(net.server, "eth0").at("lost").get<std::string>(), HasSubstr(kNoWayOut));
    // Nothing of it stays, and nobody waits for an answer.
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --hook clsact", 1, {"ingress qdisc"}));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "refused");
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
