// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Finding cgroups, without a kernel: mount tables, units and containers in a tree of folders.
#include "kernel/cgroup.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernel/cgroup_lookup.hpp"
#include "kernel/container_note.hpp"
#include "rule/auto_target.hpp"
#include "state/policy.hpp"

namespace bpfport {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

TEST(CgroupMount, PureVersion2) {
    EXPECT_EQ(parse_cgroup_mount("25 22 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"),
              "/sys/fs/cgroup");
}

TEST(CgroupMount, MixedHost) {
    EXPECT_EQ(
        parse_cgroup_mount(
            "31 30 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
            "40 30 0:37 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"),
        "/sys/fs/cgroup/unified");
}

TEST(CgroupMount, TheOneThatShowsMostIsTaken) {
    EXPECT_EQ(parse_cgroup_mount("40 30 0:37 /a/b /elsewhere rw - cgroup2 cgroup2 rw\n"
                                 "41 30 0:37 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
              "/sys/fs/cgroup");
}

TEST(CgroupMount, TheLastIsNotHiddenByAnother) {
    EXPECT_EQ(parse_cgroup_mount("40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                 "41 30 0:37 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
              "/sys/fs/cgroup");
}

TEST(CgroupMount, NoneAndNonsense) {
    EXPECT_EQ(parse_cgroup_mount(""), std::nullopt);
    EXPECT_EQ(parse_cgroup_mount("cgroup2 - cgroup2"), std::nullopt);
    EXPECT_EQ(parse_cgroup_mount("31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
              std::nullopt);
}

TEST(CgroupOfProcess, TheVersion2Line) {
    EXPECT_EQ(parse_process_cgroup("9:name=systemd:/x\n1:cpu:/\n0::/user.slice/a\n"),
              "/user.slice/a");
    EXPECT_EQ(parse_process_cgroup("1:cpu:/\n"), std::nullopt);
}

class CgroupTree : public testing::Test {
  protected:
    CgroupTree() : root_("/tmp/bpfport-cgroup-" + std::to_string(::getpid())) {}
    ~CgroupTree() override { fs::remove_all(root_); }
    void make(const char* folder) const { fs::create_directories(root_ / folder); }
    void write(const char* file, const char* text) const {
        fs::create_directories((root_ / file).parent_path());
        std::ofstream(root_ / file) << text;
    }
    fs::path root_;
};

TEST_F(CgroupTree, Units) {
    make("system.slice/nginx.service");
    make("system.slice/system-getty.slice/getty@tty1.service");
    make("user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service");
    make("user.slice/user-1000.slice/user@1000.service/app.slice/mine.service");
    EXPECT_THAT(unit_cgroups(root_, "nginx.service"), ElementsAre("/system.slice/nginx.service"));
    EXPECT_THAT(unit_cgroups(root_, "getty@tty1.service"),
                ElementsAre("/system.slice/system-getty.slice/getty@tty1.service"));
    EXPECT_THAT(unit_cgroups(root_, "mine.service"), ElementsAre()) << "a user manager's";
    EXPECT_THAT(unit_cgroups(root_, "absent.service"), ElementsAre());
}

constexpr auto kId = "4f1c9a7be0d2334f1c9a7be0d2334f1c9a7be0d2334f1c9a7be0d2334f1c9a7b";

struct Layout {
    const char* runtime;
    const char* folder; // before and after the id
    const char* suffix;
};

TEST_F(CgroupTree, ContainersOfEveryRuntime) {
    for (const auto& [runtime, folder, suffix] :
         {Layout{"docker, systemd", "system.slice/docker-", ".scope"},
          Layout{"docker, cgroupfs", "docker/", ""},
          Layout{"podman", "machine.slice/libpod-", ".scope"},
          Layout{"containerd in Kubernetes", "kubepods.slice/kubepods-pod1.slice/cri-containerd-",
                 ".scope"},
          Layout{"CRI-O", "kubepods.slice/kubepods-pod2.slice/crio-", ".scope"},
          Layout{"crun", "crun-", ".scope"}, Layout{"runc", "", ""}}) {
        SCOPED_TRACE(runtime);
        const std::string path = std::string(folder) + kId + suffix;
        make((path + "/container").c_str());
        EXPECT_THAT(container_cgroups(root_, kId), ElementsAre("/" + path));
        fs::remove_all(root_);
    }
    make("machine.slice/libpod-conmon-4f1c9a7be0d2.scope");
    EXPECT_THAT(container_cgroups(root_, "4f1c9a7be0d2"), ElementsAre());
}

TEST_F(CgroupTree, ContainersByName) {
    write("run/crun/web/status", R"({"pid": 17, "cgroup-path": "/machine/web"})");
    write("var/lib/docker/containers/4f1c/config.v2.json",
          R"({"ID": "4f1c", "Name": "/shop", "State": {"Pid": 18}})");
    write("var/lib/containers/storage/overlay-containers/containers.json",
          R"([{"id": "77aa", "names": ["blog"]}])");
    write("run/containerd/io.containerd.runtime.v2.task/k8s.io/99cc/init.pid", "19");
    write("run/crun/broken/status", "{");
    EXPECT_EQ(container_note(root_, "web")->cgroup, "/machine/web");
    EXPECT_EQ(container_note(root_, "shop")->pid, 18);
    EXPECT_EQ(container_note(root_, "blog")->id, "77aa");
    EXPECT_EQ(container_note(root_, "99cc")->pid, 19);
    EXPECT_FALSE(container_note(root_, "broken"));
    // Of another shape than we know: a number that is no process id, a list of no objects.
    write("run/crun/big/status", R"({"pid": 4294967297, "cgroup-path": 1})");
    write("var/lib/docker/containers/5e2d/config.v2.json", R"({"Name": "/odd", "State": 3})");
    write("var/lib/containers/storage/overlay-containers/containers.json",
          R"([1, {"names": 2}, {"id": 3, "names": ["poem"]}])");
    EXPECT_EQ(container_note(root_, "big")->pid, 0);
    EXPECT_EQ(container_note(root_, "big")->cgroup, "");
    EXPECT_EQ(container_note(root_, "odd")->pid, 0);
    EXPECT_EQ(container_note(root_, "poem")->id, "");
    write("run/containerd/io.containerd.runtime.v2.task/k8s.io/none/init.pid", "-1");
    EXPECT_FALSE(container_note(root_, "none"));
    EXPECT_FALSE(container_note(root_, "absent"));
}

TEST(AutoRule, Words) {
    EXPECT_TRUE(is_auto_rule("80:auto"));
    EXPECT_TRUE(is_auto_rule("127.0.0.1:80:auto/udp"));
    EXPECT_FALSE(is_auto_rule("80:automatic"));
    EXPECT_FALSE(is_auto_rule("80:3000"));
    auto both = parse_auto_rules("[::1]:80-82:auto/tcp+udp");
    ASSERT_TRUE(both) << both.error().message;
    ASSERT_EQ(both->size(), 2U);
    EXPECT_EQ(both->front().listen.size(), 3U);
    EXPECT_EQ(both->front().to_string(), "[::1]:80-82:auto");
    EXPECT_EQ(both->back().to_string(), "[::1]:80-82:auto/udp");
    // Wherever the range lies, as long as one of its length fits beside it.
    for (const char* good : {"9999-10001:auto", "10000:auto", "1-32767:auto", "32769-65535:auto"})
        EXPECT_TRUE(parse_auto_rules(good)) << good;
    for (const char* wrong :
         {":auto", "x:auto", "1-65535:auto", "80:auto/sctp", "0:auto", "1.2.3:80:auto"})
        EXPECT_FALSE(parse_auto_rules(wrong)) << wrong;
}

TEST(AutoRule, ATargetThatNobodyHas) {
    const AutoRule rule{std::nullopt, {80, 80}, Protocol::kTcp};
    auto first = with_target(rule, {}, 7);
    ASSERT_TRUE(first);
    EXPECT_GT(first->target().first, 1023);
    EXPECT_EQ(with_target(rule, {}, 7)->target(), first->target())
        << "the same seed, the same port";
    EXPECT_NE(with_target(rule, {}, 8)->target(), first->target());
    EXPECT_NE(with_target(rule, {first->target()}, 7)->target(), first->target());
    auto none = with_target(rule, {{1024, 65535}}, 7);
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().message.find("80:auto"), std::string::npos);
}

TEST(Grants, Words) {
    auto grants = parse_grants("80,443/tcp+udp,8000-8010/udp");
    ASSERT_TRUE(grants);
    ASSERT_EQ(grants->size(), 4U);
    EXPECT_EQ(grants->at(0).to_string(), "80");
    EXPECT_EQ(grants->at(2).to_string(), "443/udp");
    EXPECT_EQ(grants->at(3).to_string(), "8000-8010/udp");
    for (const char* wrong : {"", "0", "80:3000", "80/sctp", "80,", "65536", "90-80"})
        EXPECT_FALSE(parse_grants(wrong)) << wrong;
}

} // namespace
} // namespace bpfport
