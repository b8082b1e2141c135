// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What commands read of the host: once, and with an error where it can't be read.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

class HostFactsOnce : public CgroupTest {};

// Interfaces' rules, cgroups' rules and grants come from one look at the host's sockets.
TEST_F(HostFactsOnce, OneReadingForOneView) {
    REQUIRE_GRANTS();
    REQUIRE_PROGRAM("strace");
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", "lo", "80:3000"});
    must({"attach", scope, "81:3001"});
    must({"grant", scope, "443"});
    const std::string log = "/tmp/" + unique_name();
    for (const char* command : {"metrics", "status", "stats", "ss"}) {
        SCOPED_TRACE(command);
        auto words = bpfport_command({"--netns", netns->name(), command});
        words.insert(words.begin(), {"strace", "-f", "-o", log, "-e", "trace=openat"});
        const auto done = run(words);
        EXPECT_EQ(done.status, 0) << done.err;
        EXPECT_THAT(done.out, HasSubstr("3000"));
        EXPECT_THAT(done.out, HasSubstr("3001"));
        std::ifstream file(log);
        const std::string calls{std::istreambuf_iterator<char>(file), {}};
        unsigned count = 0;
        constexpr std::string_view kRead = "ip_local_port_range"; // once for each reading
        for (auto at = calls.find(kRead); at != calls.npos; at = calls.find(kRead, at + 1)) count++;
        EXPECT_EQ(count, 1U) << calls;
    }
    ::unlink(log.c_str());
    must({"detach", "--all"});
}

// The kernel lists the CPUs that counters are kept for in sysfs.
TEST_F(HostFactsOnce, CpusThatCantBeCountedAreAnError) {
    const auto without_cpus = [&](const std::string& words) {
        std::string line = "mount -t tmpfs none /sys/devices/system/cpu && exec";
        for (const auto& word : bpfport_command({"--netns", netns->name()})) line += " " + word;
        return run({"unshare", "-m", "sh", "-c", line + " " + words});
    };
    must({"attach", "lo", "80:3000"});
    for (const char* words : {"attach lo 81:3000", "status", "metrics"}) {
        const auto refused = without_cpus(words);
        EXPECT_EQ(refused.status, 1) << words;
        EXPECT_THAT(refused.err, HasSubstr("count CPUs")) << words;
    }
    EXPECT_THAT(bp({"status"}).out, HasSubstr("80:3000"));
    if (kernel_at_least(5, 12)) {
        const std::string scope = "cgroup:" + cgroup->name();
        must({"grant", scope, "80"});
        EXPECT_THAT(without_cpus("grant " + scope + " 81").err, HasSubstr("count CPUs"));
        EXPECT_THAT(without_cpus("metrics").err, HasSubstr("count CPUs"));
    }
    must({"detach", "--all"});
}

} // namespace
} // namespace bpfport::test
