// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The OCI hook, called by a real runtime: two containers on the host network both listen on 80, and
// each is reached on its own target.
#include <filesystem>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "net/cgroup_fixture.hpp"
#include "net/containers.hpp"

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
        REQUIRE_CONTAINERS();
        containers_.emplace(*netns, *cgroup);
        // A runtime gives hooks no working directory and no PATH.
        std::ofstream(hook()) << "#!/bin/sh\nexec " << bpfport_binary() << " --state "
                              << state_root() << " oci-hook 2>>" << file("errors") << "\n";
        fs::permissions(hook(), fs::perms(0755));
    }
    void TearDown() override {
        containers_.reset();
        CgroupTest::TearDown();
    }
    // Whose one program listens on port 80.
    [[nodiscard]] Process start(const std::string& name, const std::string& annotation,
                                const std::string& value) {
        Json config = {{"annotations", {{annotation, value}}}};
        config["process"]["args"] = {"/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"};
        for (const char* stage : {"createRuntime", "poststop"})
            config["hooks"][stage].push_back({{"path", hook()}});
        containers_->make(name, config);
        return containers_->start(name);
    }
    void stop(const std::string& name) const { containers_->crun("kill " + name + " KILL"); }
    [[nodiscard]] std::string file(const char* name) const {
        return containers_->directory() + "/" + name;
    }
    [[nodiscard]] std::string hook() const { return file("hook"); }
    [[nodiscard]] std::string errors() const {
        std::ifstream errors(file("errors"));
        return {std::istreambuf_iterator<char>(errors), {}};
    }
    [[nodiscard]] std::string page(std::uint16_t port) const { return http_status(*netns, port); }

  private:
    std::optional<Containers> containers_;
};

TEST_F(CgroupOci, TwoContainersOnTheHostNetworkBothListenOn80) {
    const std::string one = unique_name(), two = unique_name();
    Process first = start(one, "bpfport.publish", "80:3001");
    ASSERT_TRUE(wait_for_port(*netns, 3001, false, kStart)) << errors() << first.stop().err;
    Process second = start(two, "bpfport.publish", "80:3002");
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
    const std::string name = unique_name();
    Process container = start(name, "bpfport.grant", "80,443");
    ASSERT_TRUE(wait_for_port(*netns, 80, false, kStart)) << errors() << container.stop().err;
    EXPECT_EQ(page(80), "200");
    stop(name);
    container.wait();
    EXPECT_EQ(entries(), "") << errors();
}

TEST_F(CgroupOci, AWrongAnnotationKeepsTheContainerFromStarting) {
    const std::string name = unique_name();
    Process container = start(name, "bpfport.publish", "80:");
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
