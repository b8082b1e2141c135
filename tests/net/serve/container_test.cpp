// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What serve does when a container that a policy names by its name is started again.
#include <nlohmann/json.hpp>

#include "harness/amount.hpp"
#include "net/cgroup_fixture.hpp"
#include "net/containers.hpp"
#include "net/serve/serving.hpp"

namespace bpfport::test {
namespace {

using std::chrono::milliseconds;

class ServedContainer : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_GRANTS();
        REQUIRE_CONTAINERS();
    }
};

// Binds 443, which takes the grant, and 80, which takes the rule, as soon as it may.
constexpr const char* kServers =
    "wait_for() { until /bin/busybox httpd -f -p $1 -h /www 2>/dev/null; do "
    "/bin/busybox sleep 0.01; done; }; wait_for 443 & wait_for 80";

TEST_F(ServedContainer, IsStartedAgain) {
    const std::string name = unique_name();
    Containers containers(*netns, *cgroup, "/run/crun"); // where bpfport reads names
    containers.make(name, {{"process", {{"args", {"/bin/busybox", "sh", "-c", kServers}}}}});
    Served serve(*netns, fmt::format("[[cgroup]]\ncontainer = \"{}\"\ngrants = [443]\n"
                                     "rules = [\"80:3001\"]\n",
                                     name));
    EXPECT_TRUE(serve.notify.has("STATUS=0 in force, 1 waiting")) << serve.said();
    const auto served = [&] {
        return wait_for_port(*netns, 443, false, 0ms) && wait_for_port(*netns, 3001, false, 0ms);
    };
    Times started, whole; // since the runtime had started it, and since it was asked to
    const int most = rounds(5);
    for (int round = 0; round < most && !HasFailure(); round++) {
        const auto begin = std::chrono::steady_clock::now();
        const auto run = containers.run_detached(name);
        ASSERT_EQ(run.status, 0) << run.err;
        const auto time = time_until(served);
        ASSERT_TRUE(time) << serve.said();
        whole.add(
            std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin));
        started.add(*time);
        EXPECT_EQ(http_status(*netns, 443), "200");
        EXPECT_EQ(http_status(*netns, 80), "200");
        EXPECT_EQ(http_status(*netns, 3001), "200");
        ASSERT_EQ(containers.remove(name).status, 0);
    }
    fmt::print("container started, {}; with its start, {}\n", started.text(), whole.text());
    EXPECT_LE(started.median(), in_time(1s)); // the longest: other tests take the CPUs
    EXPECT_TRUE(time_until([&] { return entries() == ""; })) << "left of the last: " << entries();
    EXPECT_EQ(serve.stop().status, 0);
}

} // namespace
} // namespace bpfport::test
