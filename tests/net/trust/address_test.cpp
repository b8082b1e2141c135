// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Addresses and ports by the ten thousand: what has no room is named, and nothing on the way out
// needs any.
#include <fmt/format.h>

#include "harness/time_until.hpp"
#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

using testing::Not;

class TrustAddress : public Trust {
  protected:
    void SetUp() override {
        Trust::SetUp();
        if (!IsSkipped()) REQUIRE_RULES();
    }
    void ip(const std::string& batch) const {
        const auto result =
            test::run({"ip", "-force", "-batch", "-"}, {.netns = netns.get(), .input = batch});
        ASSERT_EQ(result.status, 0) << result.err;
    }
};

// The map of claims holds 65,536 ports.
TEST_F(TrustAddress, C13_DetachNeedsNoRoom) {
    const Below one(cgroup->path() + "/one"), two(cgroup->path() + "/two"),
        three(cgroup->path() + "/three");
    const auto scope = [&](const char* name) {
        return fmt::format("cgroup:{}/{}", cgroup->name(), name);
    };
    must({"attach", scope("one"), "1-30000:30001-60000/tcp"});
    must({"attach", scope("two"), "30001-60000:1-30000/udp", "1-20000:40001-60000/udp", "--force"});
    // Claimed by two: in nobody's favour, so not in the map; with the detach of one it would be.
    must({"attach", scope("three"), "1-20000:40001-60000/udp", "--force"});
    must({"attach", scope("three"), "30001-50000:10001-30000/tcp", "--force"});
    const auto detached = bp({"detach", scope("three"), "1-20000:40001-60000/udp"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_THAT(bp({"status"}).out, HasSubstr("NEIGHBOURS-NOT-SERVED:full"));
    EXPECT_THAT(bp({"doctor"}).out, HasSubstr("more claimed ports than the kernel's map holds"));
    must({"detach", scope("two")});
    EXPECT_THAT(bp({"status"}).out, Not(HasSubstr("NEIGHBOURS-NOT-SERVED")))
        << "what had no room has it now";
}

// One of many addresses takes no room from the others, and says what it has none for.
TEST_F(TrustAddress, C13_ANetworkNamespaceHasAQuota) {
    std::string batch;
    for (int i = 0; i < 4200; ++i)
        batch += fmt::format("addr add 10.77.{}.{}/32 dev lo\n", i / 250, i % 250 + 1);
    ip(batch);
    const std::string scope = "cgroup:" + cgroup->name();
    const auto attached = bp({"attach", scope, "80:3000"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.err, HasSubstr("the list of local addresses is full"));
    const auto report = nlohmann::json::parse(bp({"status", "--json"}).out);
    ASSERT_TRUE(report.contains("unserved_addresses"));
    EXPECT_GE(report.at("unserved_addresses").size(), 104U);
    EXPECT_LE(report.at("unserved_addresses").size(), 200U);
    must({"detach", scope});
}

TEST_F(TrustAddress, C13_AnAddressThatHasLeftIsNamed) {
    ip("addr add 10.9.0.1/32 dev lo\naddr add 2001:db8:9::1/128 dev lo\n");
    // An IPv6 address is local a moment after it is added: the kernel does that in a work queue.
    ASSERT_TRUE(time_until([&] {
        return netns->ip("-6 route show table local").find("2001:db8:9::1") != std::string::npos;
    }));
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", scope, "80:3000"});
    EXPECT_THAT(bp({"status"}).out, Not(HasSubstr("has left this host")));
    ip("addr del 10.9.0.1/32 dev lo\naddr del 2001:db8:9::1/128 dev lo\n");
    const auto report = bp({"status"});
    EXPECT_THAT(report.out, HasSubstr("10.9.0.1 has left this host"));
    EXPECT_THAT(report.out, HasSubstr("2001:db8:9::1 has left this host"));
    EXPECT_THAT(bp({"doctor"}).out, HasSubstr("address 10.9.0.1: it has left this host"));
    must({"attach", scope, "80:3000"}); // any command
    EXPECT_THAT(bp({"status"}).out, Not(HasSubstr("has left this host")));
}

} // namespace
} // namespace bpfport::test
