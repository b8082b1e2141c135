// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What serve does when a container that a policy names by its name is started again.
#include <algorithm>

#include <nlohmann/json.hpp>

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

std::string times_text(std::vector<long>& times) {
    std::ranges::sort(times);
    return fmt::format("median {} ms, most {} ms", times[times.size() / 2], times.back());
}

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
    std::vector<long> started, whole; // since the runtime had started it, and since it was asked to
    const int most = rounds(5);
    for (int round = 0; round < most && !HasFailure(); round++) {
        const auto begin = std::chrono::steady_clock::now();
        const auto run = containers.run_detached(name);
        ASSERT_EQ(run.status, 0) << run.err;
        const auto time = time_until(served);
        ASSERT_TRUE(time) << serve.said();
        whole.push_back(
            std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin)
                .count());
        started.push_back(time->count());
        EXPECT_EQ(http_status(*netns, 443), "200");
        EXPECT_EQ(http_status(*netns, 80), "200");
        EXPECT_EQ(http_status(*netns, 3001), "200");
        ASSERT_EQ(containers.remove(name).status, 0);
    }
    fmt::print("container started {} times: rule and grant in force after {}; with its start {}\n",
               started.size(), times_text(started), times_text(whole));
    EXPECT_LE(started[started.size() / 2], 1000); // the longest: other tests take the CPUs
    EXPECT_TRUE(time_until([&] { return entries() == ""; })) << "left of the last: " << entries();
    EXPECT_EQ(serve.stop().status, 0);
}

} // namespace
} // namespace bpfport::test
