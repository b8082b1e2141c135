// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Interface patterns: attach 'eth*' takes those that are there now.
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST_F(NetTest, PatternsTakeTheInterfacesThatMatch) {
    const TwoUplinks net;
    const Netns other;
    const VethPair pair(other, "eth0", net.server, "wan0");
    pair.a.add_address("10.7.0.1/24");
    pair.b.add_address("10.7.0.2/24");
    const Service web(net.server, 3000);

    const auto explained = tool(net.server, "attach --explain eth? 80:3000/tcp+udp");
    EXPECT_EQ(explained.status, 0) << explained.err;
    for (const char* line : {"80:3000 on eth0: would be attached", "80:3000/udp on eth1: would be"})
        EXPECT_THAT(explained.out, HasSubstr(line));
    EXPECT_THAT(explained.out, Not(HasSubstr("on wan0")));
    EXPECT_THAT(rules(net.server), IsEmpty());

    // An interface that is named twice is one.
    ASSERT_TRUE(works(net.server, "attach eth* eth0 80:3000/tcp+udp"));
    EXPECT_THAT(rules(net.server), UnorderedElementsAre("80:3000 on eth0", "80:3000/udp on eth0",
                                                        "80:3000 on eth1", "80:3000/udp on eth1"));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        for (const auto address : {TwoUplinks::first_address, TwoUplinks::second_address})
            EXPECT_EQ(ask(net.client, {address(flavour.ipv6), 80}, flavour.transport), "hello");
    }
    EXPECT_EQ(ask(other, {"10.7.0.2", 80}, Transport::kTcp), "refused");

    EXPECT_THAT(tool(net.server, "status *1").out, Not(HasSubstr("on eth0")));
    EXPECT_TRUE(refuses(net.server, "detach wlan* 80:3000", 1,
                        {"no interface of this network namespace matches wlan*", "eth0", "wan0"}));
    EXPECT_TRUE(refuses(net.server, "attach l? 80:3000", 1, {"matches l?", "lo is served when"}));
    ASSERT_TRUE(works(net.server, "detach eth* 80:3000/udp"));
    EXPECT_THAT(rules(net.server), UnorderedElementsAre("80:3000 on eth0", "80:3000 on eth1"));
    // Those that have no rule are left alone.
    ASSERT_TRUE(works(net.server, "detach *"));
    EXPECT_THAT(rules(net.server), IsEmpty());
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
