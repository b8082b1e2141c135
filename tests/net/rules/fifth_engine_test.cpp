// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// An engine that bpfport does not have (tests/fifth): one file and one row of the registry, and
// --engine, --explain, status, metrics and doctor know it.
#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

using testing::AllOf;
using testing::Not;

class FifthEngine : public NetTest {
  protected:
    static ProcessResult fifth(const Netns& netns, std::vector<std::string> words) {
        words.insert(words.begin(),
                     {BPFPORT_FIFTH, "--state", state_root(), "--netns", netns.name()});
        return run(words);
    }
};

TEST_F(FifthEngine, IsKnownByItsRow) {
    const ClientServer net;
    EXPECT_THAT(fifth(net.server, {"attach", "--help"}).out, HasSubstr("reports and does nothing"));
    auto explained =
        fifth(net.server, {"attach", "--explain", "--engine", "report", "eth0", "80:3000"});
    EXPECT_EQ(explained.status, 0) << explained.err;
    EXPECT_THAT(explained.out,
                AllOf(HasSubstr("would be attached (report"), HasSubstr("engine report: asked for"),
                      HasSubstr("report: says that it is there"),
                      Not(HasSubstr("sees packets of"))));
    auto refused = fifth(net.server, {"attach", "--engine", "report", "eth0", "80:3000/udp"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("engine report is for tcp"));
    EXPECT_THAT(fifth(net.server, {"attach", "--explain", "eth0", "80:3000"}).out,
                Not(HasSubstr("report")))
        << "auto takes it only when it is asked for";

    ASSERT_EQ(fifth(net.server, {"attach", "--engine", "report", "eth0", "80:3000"}).status, 0);
    EXPECT_THAT(fifth(net.server, {"status"}).out, HasSubstr("report: nothing is done"));
    const auto now = nlohmann::json::parse(fifth(net.server, {"status", "--json"}).out);
    EXPECT_EQ(now["rules"][0]["engine"], "report");
    EXPECT_EQ(now["rules"][0]["why"], "it was asked to report");
    EXPECT_EQ(now["rules"][0]["in_force"], true);
    EXPECT_FALSE(now["rules"][0].contains("packets_in")) << "it counts connections only";
    EXPECT_TRUE(now["rules"][0].contains("connections"));
    EXPECT_EQ(now["report"]["alive"], true);
    EXPECT_EQ(now["report"]["tag_none"], "0");
    const std::string labels = R"({rule="80:3000",scope="eth0",protocol="tcp",engine="report")";
    EXPECT_THAT(fifth(net.server, {"metrics"}).out,
                AllOf(HasSubstr("bpfport_connections_total" + labels + "} 0"),
                      HasSubstr("bpfport_rule_in_force" + labels + "} 1"),
                      Not(HasSubstr("bpfport_packets_total"))));
    EXPECT_THAT(fifth(net.server, {"stats"}).out, HasSubstr("report"));
    EXPECT_THAT(fifth(net.server, {"ss"}).out, HasSubstr("report"));

    // A version that doesn't have it says so, and takes the rule away.
    EXPECT_EQ(status(net.server)["rules"][0]["engine"], "unknown");
    EXPECT_EQ(status(net.server)["rules"][0]["in_force"], false);
    EXPECT_THAT(tool(net.server, "doctor").out, HasSubstr("this version has no such engine"));
    EXPECT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
