// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What serve does when cgroups that a policy names come and go.
#include <sys/stat.h>

#include <fstream>

#include "harness/amount.hpp"
#include "net/cgroup_fixture.hpp"
#include "net/serve/serving.hpp"

namespace bpfport::test {
namespace {

class ServedCgroup : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) REQUIRE_GRANTS();
    }
    void make_again() const {
        ASSERT_EQ(::rmdir(cgroup->path().c_str()), 0);
        ASSERT_EQ(::mkdir(cgroup->path().c_str(), 0755), 0);
    }
    [[nodiscard]] bool may_bind(std::uint16_t port) const {
        return bind_errno(*netns, {.cgroup = cgroup.get(), .at = {"127.0.0.1", port}}) == 0;
    }
};

TEST_F(ServedCgroup, IsMadeAgain) {
    Served serve(*netns, fmt::format("[[cgroup]]\npath = \"{}\"\ngrants = [80]\n"
                                     "rules = [\"81:3000\"]\n",
                                     cgroup->name()));
    ASSERT_TRUE(may_bind(80)) << serve.said();
    Times times;
    const int most = rounds(20);
    for (int round = 0; round < most && !HasFailure(); round++) {
        make_again();
        const auto time = time_until([&] { return may_bind(80); });
        ASSERT_TRUE(time) << serve.said();
        times.add(*time);
    }
    fmt::print("cgroup made again, {}\n", times.text());
    EXPECT_LE(times.median(), in_time(1s)); // the longest: other tests take the CPUs
    EXPECT_THAT(bp({"status"}).out, HasSubstr("81:3000"));
    // Gone, it is waited for.
    serve.notify.clear();
    ASSERT_EQ(::rmdir(cgroup->path().c_str()), 0);
    EXPECT_TRUE(serve.notify.has("STATUS=0 in force, 1 waiting"));
    ASSERT_EQ(::mkdir(cgroup->path().c_str(), 0755), 0);
    EXPECT_TRUE(serve.notify.has("STATUS=2 in force"));
    EXPECT_EQ(serve.stop().status, 0);
}

// Which connects go to a cgroup's server is a matter of the host's own addresses, which come and go.
TEST_F(ServedCgroup, KnowsTheAddressesOfTheHost) {
    Served serve(*netns,
                 fmt::format("[[cgroup]]\npath = \"{}\"\nrules = [\"80:3000\"]\n", cgroup->name()));
    std::optional<TcpServer> server;
    {
        const InCgroup inside(*cgroup);
        server.emplace(*netns, Endpoint{"0.0.0.0", 80});
    }
    const auto answers = [&] {
        return ask(*netns, {"10.9.0.1", 80}, Transport::kTcp, {.timeout = in_time(100ms)}) ==
               "hello";
    };
    EXPECT_FALSE(answers());
    netns->ip("addr add 10.9.0.1/24 dev lo");
    EXPECT_TRUE(time_until(answers)) << serve.said();
    netns->ip("addr del 10.9.0.1/24 dev lo");
    EXPECT_TRUE(time_until(
        [&] { return bp({"doctor"}).out.find("it has left this host") == std::string::npos; }));
    EXPECT_EQ(serve.stop().status, 0);
}

// A unit's cgroup lies in a slice that comes with it; what else comes and goes is no reason to work.
TEST_F(ServedCgroup, IsOfAUnitInASliceThatComesLater) {
    const auto slice = cgroup->path() + ".slice";
    const auto unit = cgroup->name().substr(1) + ".service";
    Served serve(*netns, fmt::format("[[cgroup]]\nunit = \"{}\"\ngrants = [80]\n", unit));
    EXPECT_TRUE(serve.notify.has("STATUS=0 in force, 1 waiting"));
    for (int round = 0; round < 3; round++) {
        serve.notify.clear();
        ASSERT_EQ(::mkdir(slice.c_str(), 0755), 0);
        ASSERT_EQ(::mkdir((slice + "/" + unit).c_str(), 0755), 0);
        EXPECT_TRUE(serve.notify.has("STATUS=1 in force", 2s)) << serve.said();
        serve.notify.clear();
        ASSERT_EQ(::rmdir((slice + "/" + unit).c_str()), 0);
        ASSERT_EQ(::rmdir(slice.c_str()), 0);
        EXPECT_TRUE(serve.notify.has("STATUS=0 in force, 1 waiting", 2s)) << serve.said();
    }
    EXPECT_EQ(serve.stop().status, 0);
}

// The owner of a port is a cgroup, and is made again: its guard follows.
TEST_F(ServedCgroup, OwnsAPort) {
    Served serve(
        *netns, entry("lo", "\"80:3000\"", fmt::format("owner = \"cgroup:{}\"\n", cgroup->name())));
    const auto others = [&] { return bind_errno(*netns, {.at = {"127.0.0.1", 3000}}) == 0; };
    EXPECT_TRUE(may_bind(3000));
    EXPECT_FALSE(others());
    for (int round = 0; round < 3; round++) {
        make_again();
        EXPECT_TRUE(time_until([&] { return may_bind(3000); })) << serve.said();
        EXPECT_FALSE(others());
    }
    serve.write(entry("lo", "\"80:3000\""));
    EXPECT_TRUE(time_until(others)) << serve.said();
    serve.write("");
    EXPECT_TRUE(time_until([&] { return rules(*netns).empty(); })) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
}

} // namespace
} // namespace bpfport::test
