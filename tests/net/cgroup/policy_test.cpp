// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Policy files with rules and grants of cgroups, and with owners of ports.
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include <fmt/format.h>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

class CgroupPolicy : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        REQUIRE_GRANTS();
        std::string name = testing::TempDir() + "policyXXXXXX";
        const Fd fd(::mkstemp(name.data()));
        file = name;
    }
    void TearDown() override {
        if (!file.empty()) ::unlink(file.c_str());
        CgroupTest::TearDown();
    }
    // What apply says, of this [[cgroup]] and more.
    std::string apply(const std::string& keys, std::vector<std::string> options = {}) const {
        std::ofstream(file) << fmt::format("[[cgroup]]\npath = \"{}\"\n{}\n", cgroup->name(), keys);
        options.insert(options.begin(), {"apply", file});
        const auto done = bp(std::move(options));
        return done.status == 0 ? done.out : fmt::format("exit {}: {}", done.status, done.err);
    }
    std::string file;
};

TEST_F(CgroupPolicy, RulesAndGrantsComeGoAndStay) {
    const std::string scope = "cgroup:" + cgroup->name();
    const std::string keys = "rules = [\"80:3000\", \"443:auto\"]\ngrants = [81, \"53/udp\"]\n";
    const std::string done = apply(keys);
    EXPECT_THAT(done, HasSubstr("added: 80:3000 on " + scope + " (cgroup)\n"));
    EXPECT_THAT(done, HasSubstr("added: 53/udp granted to " + scope + "\n"));
    EXPECT_THAT(done, HasSubstr("4 added, 0 the same\n"));
    EXPECT_EQ(bind_errno(*netns, {.cgroup = cgroup.get(), .at = {"0.0.0.0", 80}}), 0);
    EXPECT_EQ(bind_errno(*netns, {.cgroup = cgroup.get(), .at = {"0.0.0.0", 81}}), 0);
    EXPECT_EQ(bind_errno(*netns, {.cgroup = cgroup.get(), .at = {"0.0.0.0", 82}}), EACCES);
    const std::string before = status();
    EXPECT_THAT(apply(keys), HasSubstr("\n4 the same\n")); // the chosen target, too
    EXPECT_EQ(status(), before);

    must({"attach", scope, "90:3090"});
    must({"grant", scope, "91"});
    EXPECT_THAT(apply(keys), HasSubstr("4 the same, 2 left"));
    EXPECT_THAT(apply("rules = [\"80:3001\"]", {"--prune"}),
                HasSubstr("1 changed, 5 removed, 0 the same\n"));
    EXPECT_EQ(bind_errno(*netns, {.cgroup = cgroup.get(), .at = {"0.0.0.0", 81}}), EACCES);
    must({"detach", scope});
    EXPECT_EQ(entries(), "");
}

TEST_F(CgroupPolicy, OwnersComeAndGo) {
    const std::string scope = "cgroup:" + cgroup->name();
    const std::string rules = "rules = [\"80:3000\"]\n";
    EXPECT_THAT(apply(rules + "owner = \"nobody\"\nreserve = true"),
                testing::AllOf(HasSubstr("added: tcp port 3000 may be bound by user nobody alone"),
                               HasSubstr("added: tcp port 80 may be bound by nobody alone")));
    EXPECT_NE(bind_errno(*netns, {.uid = 1, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_EQ(bind_errno(*netns, {.uid = kNobody, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_THAT(apply(rules + "owner = \"nobody\"\nreserve = true"), HasSubstr("\n3 the same\n"));
    EXPECT_THAT(apply(rules + "owner = \"daemon\""),
                testing::AllOf(HasSubstr("changed: tcp port 3000 may be bound by user daemon"),
                               HasSubstr("removed: tcp port 80 ")));
    EXPECT_EQ(bind_errno(*netns, {.uid = 1, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_NE(bind_errno(*netns, {.uid = kNobody, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_THAT(apply(rules), HasSubstr("removed: tcp port 3000 may be bound by user daemon"));
    EXPECT_EQ(bind_errno(*netns, {.uid = kNobody, .at = {"0.0.0.0", 3000}}), 0);
    must({"detach", scope});
    EXPECT_EQ(entries(), "");
}

TEST_F(CgroupPolicy, IsExportedAsItIs) {
    const std::string scope = "cgroup:" + cgroup->name();
    must({"attach", scope, "80:3000", "--owner", "nobody", "--reserve"});
    must({"attach", scope, "443:auto", "8000-8003:18000-18003/udp", "--no-local"});
    must({"attach", "lo", "81:3001", "--engine", "tc", "--owner", scope});
    must({"grant", scope, "90-95", "53/udp"});
    const auto exported = bp({"export"});
    ASSERT_EQ(exported.status, 0) << exported.err;
    EXPECT_THAT(exported.out, HasSubstr("\"443:auto\""));
    EXPECT_THAT(exported.out, HasSubstr("owner = \"" + scope + "\""));
    EXPECT_THAT(exported.out, testing::Not(HasSubstr("Left out")));
    std::ofstream(file) << exported.out;
    const auto again = bp({"apply", file, "--prune"});
    EXPECT_EQ(again.status, 0) << again.err << exported.out;
    EXPECT_THAT(again.out, testing::EndsWith("\n9 the same\n"));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_EQ(bp({"apply", file}).status, 0);
    EXPECT_EQ(bp({"export"}).out, exported.out);
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
}

TEST_F(CgroupPolicy, IsTakenBackUnlessItIsConfirmed) {
    const std::string before = "rules = [\"80:3000\"]\nowner = \"daemon\"\ngrants = [81]\n";
    ASSERT_THAT(apply(before), HasSubstr("3 added"));
    const std::string status_before = status(), entries_before = entries();
    EXPECT_THAT(apply("rules = [\"80:3001\"]\nowner = \"nobody\"\ngrants = [82]\n",
                      {"--prune", "--confirm", "1"}),
                HasSubstr("not confirmed: all is as it was before"));
    EXPECT_EQ(status(), status_before);
    EXPECT_EQ(entries(), entries_before);
    EXPECT_EQ(bind_errno(*netns, {.uid = 1, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_NE(bind_errno(*netns, {.uid = kNobody, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_THAT(apply(before), HasSubstr("\n3 the same\n"));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
}

// The last step is refused when the others are done: owners, interfaces of another namespace, a
// cgroup. A rule above would make a granted port one that is not granted.
TEST_F(CgroupPolicy, AFailureUndoesEveryPart) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const Service other(net.server, 3001, {.answer = "other"});
    const std::string interface = fmt::format("[[interface]]\nname = \"eth0\"\nengine = \"tc\"\n"
                                              "netns = \"{}\"\n",
                                              net.server.name());
    const std::string before = "rules = [\"80:3000\"]\nowner = \"daemon\"\n" + interface +
                               "rules = [\"80:3000\", \"81:3000\"]\n";
    ASSERT_THAT(apply(before), HasSubstr("4 added"));
    auto open = connected(net.client, {ClientServer::server_address(false), 80});
    ASSERT_TRUE(alive(open));
    const auto rules_before = test::status(net.server).at("rules");
    const std::string own_before = status(), entries_before = entries();

    const std::string failed = apply("rules = [\"80:3002\"]\nowner = \"nobody\"\ngrants = [90]\n" +
                                         interface + "rules = [\"80:3001\", \"82:3000\"]\n" +
                                         "[[cgroup]]\npath = \"/\"\nrules = [\"90:91\"]\n",
                                     {"--prune"});
    EXPECT_THAT(failed, HasSubstr("exit 1: "));
    EXPECT_THAT(failed, HasSubstr("port 90 is granted"));
    EXPECT_THAT(failed, HasSubstr("all is as it was before"));
    EXPECT_EQ(test::status(net.server).at("rules"), rules_before);
    EXPECT_EQ(status(), own_before);
    EXPECT_EQ(entries(), entries_before);
    EXPECT_TRUE(alive(open));
    EXPECT_EQ(ask(net.client, {ClientServer::server_address(false), 80}, Transport::kTcp), "hello");
    EXPECT_EQ(bind_errno(*netns, {.uid = 1, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_NE(bind_errno(*netns, {.uid = kNobody, .at = {"0.0.0.0", 3000}}), 0);
    EXPECT_THAT(apply(before), HasSubstr("4 the same"));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(CgroupPolicy, SavedByCommandAppliesToNoChange) {
    const std::string scope = "cgroup:" + cgroup->name(), save = "--save=" + file;
    auto text = [&] {
        std::ostringstream all;
        all << std::ifstream(file).rdbuf();
        return all.str();
    };
    std::ofstream(file) << "# by hand\n";
    must({"attach", scope, "80:3000", "443:auto", "--owner", "daemon", save});
    must({"grant", scope, "81", "53/udp", save});
    EXPECT_THAT(text(), HasSubstr("rules = [\"80:3000\", \"443:auto\"]\n"));
    EXPECT_THAT(text(), HasSubstr("grants = [\"81\", \"53/udp\"]\n"));
    const auto applied = bp({"apply", "--prune", file});
    EXPECT_THAT(applied.out, testing::EndsWith("\n5 the same\n")) << applied.err << text();

    // It is detached by the target that was chosen.
    std::smatch chosen;
    const std::string now = status();
    ASSERT_TRUE(std::regex_search(now, chosen, std::regex("443:[0-9]+")));
    must({"detach", scope, chosen.str(), save});
    EXPECT_THAT(text(), HasSubstr("rules = [\"80:3000\"]\n"));
    must({"revoke", scope, "81", save});
    EXPECT_THAT(bp({"apply", "--prune", file}).out, testing::EndsWith("\n3 the same\n"));
    must({"detach", scope, save});
    must({"revoke", scope, save});
    EXPECT_EQ(text(), "# by hand\n");
}

} // namespace
} // namespace bpfport::test
