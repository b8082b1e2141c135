// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The OCI hook, called by a real runtime: two containers on the host network both listen on 80, and
// each is reached on its own target.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

constexpr std::chrono::seconds kStart{60}; // a runtime, its hook and a server, on emulated machines

using Json = nlohmann::json;
namespace fs = std::filesystem;

class CgroupOci : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        REQUIRE_PROGRAM("crun");
        REQUIRE_PROGRAM("curl");
        if (!fs::exists("/bin/busybox")) GTEST_SKIP() << "needs a static /bin/busybox";
        directory_ = "/tmp/" + unique_name();
        fs::create_directories(directory_ + "/root/bin");
        for (const char* place : {"proc", "www", "dev", "sys"})
            fs::create_directories(directory_ + "/root/" + place);
        fs::copy("/bin/busybox", directory_ + "/root/bin/busybox");
        std::error_code ignored;
        hook_ = directory_ + "/hook"; // a runtime gives hooks no working directory and no PATH
        std::ofstream(hook_) << "#!/bin/sh\nexec " << bpfport_binary() << " --state "
                             << state_root() << " oci-hook 2>>" << directory_ << "/errors\n";
        fs::permissions(hook_, fs::perms(0755));
    }
    void TearDown() override {
        CgroupTest::TearDown();
        std::error_code ignored;
        if (!directory_.empty()) fs::remove_all(directory_, ignored);
    }
    // A bundle whose one program is busybox httpd on port 80, as nobody, without capabilities.
    std::string bundle(const std::string& name, const std::string& annotation,
                       const std::string& value) const {
        const std::string path = directory_ + "/" + name;
        fs::create_directories(path);
        Json config = {{"ociVersion", "1.0.2"},
                       {"process",
                        {{"user", {{"uid", 65534}, {"gid", 65534}}},
                         {"args", {"/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"}},
                         {"cwd", "/"},
                         {"noNewPrivileges", true},
                         {"capabilities",
                          {{"bounding", Json::array()},
                           {"effective", Json::array()},
                           {"permitted", Json::array()},
                           {"inheritable", Json::array()},
                           {"ambient", Json::array()}}}}},
                       {"root", {{"path", directory_ + "/root"}, {"readonly", true}}},
                       {"hostname", name},
                       {"annotations", {{annotation, value}}},
                       {"linux", {{"cgroupsPath", cgroup->name() + "/" + name}}}};
        for (const char* type : {"pid", "mount", "ipc", "uts"}) // and no network: the host's
            config["linux"]["namespaces"].push_back({{"type", type}});
        for (const char* stage : {"createRuntime", "poststop"})
            config["hooks"][stage].push_back({{"path", hook_}});
        config["mounts"].push_back(
            {{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}});
        std::ofstream(path + "/config.json") << config;
        return path;
    }
    // crun takes /sys/fs/cgroup for the hierarchy; on a host with both versions that is true only
    // in a mount namespace of its own.
    [[nodiscard]] std::vector<std::string> crun(const std::string& words) const {
        return {"unshare", "-m", "sh", "-c",
                fmt::format("[ $(stat -f -c %t /sys/fs/cgroup) = 63677270 ] || "
                            "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec crun --root {}/state "
                            "--cgroup-manager=cgroupfs {}",
                            directory_, words)};
    }
    [[nodiscard]] Process start(const std::string& name, const std::string& bundle_path) const {
        return Process(crun(fmt::format("run --bundle {} {}", bundle_path, name)),
                       {.netns = netns.get()});
    }
    void stop(const std::string& name) const {
        run(crun("kill " + name + " KILL"), {.netns = netns.get()});
    }
    [[nodiscard]] std::string errors() const {
        std::ifstream file(directory_ + "/errors");
        return {std::istreambuf_iterator<char>(file), {}};
    }
    [[nodiscard]] std::string page(std::uint16_t port) const {
        return run({"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                    fmt::format("http://127.0.0.1:{}/", port)},
                   {.netns = netns.get()})
            .out;
    }
    std::string directory_, hook_;
};

TEST_F(CgroupOci, TwoContainersOnTheHostNetworkBothListenOn80) {
    std::ofstream(directory_ + "/root/www/index.html") << "hello\n";
    const std::string one = unique_name(), two = unique_name();
    Process first = start(one, bundle(one, "bpfport.publish", "80:3001"));
    ASSERT_TRUE(wait_for_port(*netns, 3001, false, kStart)) << errors() << first.stop().err;
    Process second = start(two, bundle(two, "bpfport.publish", "80:3002"));
    ASSERT_TRUE(wait_for_port(*netns, 3002, false, kStart)) << errors() << second.stop().err;
    EXPECT_EQ(page(3001), "200");
    EXPECT_EQ(page(3002), "200");
    EXPECT_THAT(status(), HasSubstr("container:" + one));
    stop(one);
    stop(two);
    first.wait();
    second.wait();
    EXPECT_EQ(entries(), "") << "poststop took it away; " << errors();
}

TEST_F(CgroupOci, AGrant) {
    REQUIRE_GRANTS();
    std::ofstream(directory_ + "/root/www/index.html") << "hello\n";
    const std::string name = unique_name();
    Process container = start(name, bundle(name, "bpfport.grant", "80,443"));
    ASSERT_TRUE(wait_for_port(*netns, 80, false, kStart)) << errors() << container.stop().err;
    EXPECT_EQ(page(80), "200");
    stop(name);
    container.wait();
    EXPECT_EQ(entries(), "") << errors();
}

TEST_F(CgroupOci, AWrongAnnotationKeepsTheContainerFromStarting) {
    const std::string name = unique_name();
    Process container = start(name, bundle(name, "bpfport.publish", "80:"));
    EXPECT_NE(container.wait().status, 0);
    EXPECT_THAT(errors(), HasSubstr("annotation bpfport.publish"));
    EXPECT_EQ(entries(), "");
}

TEST_F(CgroupOci, AContainerWithoutAnnotationsIsLeftAlone) {
    auto result = bp({"oci-hook"}, {.input = R"({"ociVersion":"1.0.2","id":"x","pid":1,
        "status":"created","annotations":{"other":"1"}})"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(entries(), "");
    EXPECT_EQ(bp({"oci-hook"}, {.input = "nonsense"}).status, 2);
}

} // namespace
} // namespace bpfport::test
