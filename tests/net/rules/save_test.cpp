// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// attach --save and detach --save: the file says what the kernel does, or both are as before.
#include <sys/stat.h>

#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "harness/time_until.hpp"
#include "net/rules/policy.hpp"

namespace bpfport::test {
namespace {

using testing::EndsWith;
using testing::Not;

std::string text_of(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

std::string saving(const std::string& words, const PolicyText& file) {
    return fmt::format("{} --save={}", words, file.name());
}

TEST_F(NetTest, SavedRulesApplyToNoChange) {
    const ClientServer net;
    const PolicyText file("# by hand\n");
    ASSERT_EQ(::chmod(file.name().c_str(), 0640), 0);
    // The link-local address comes a moment after the link is up; apply would take it up as a repair.
    ASSERT_TRUE(time_until([&] {
        return run({"ip", "-n", net.server.name(), "address"}).out.find("fe80::") !=
               std::string::npos;
    }));
    const auto first =
        tool(net.server, saving("attach eth0 80:3000 53:5353/tcp+udp --engine tc", file));
    EXPECT_EQ(first.status, 0) << first.err;
    EXPECT_THAT(first.out, HasSubstr(fmt::format("saved in {}\n", file.name())));
    EXPECT_EQ(text_of(file.name()),
              fmt::format("# by hand\n\n[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\", "
                          "\"53:5353\", \"53:5353/udp\"]\nnetns = \"{}\"\nengine = \"tc\"\n",
                          net.server.name()));
    EXPECT_THAT(apply(net.server, file, {"--prune"}).out, EndsWith("\n3 the same\n"));

    // The options go along; another target takes the old one's place.
    ASSERT_TRUE(
        works(net.server, saving("attach eth0 443:8443 --owner 1000 --exclusive --engine tc "
                                 "--from 198.51.100.0/24",
                                 file)));
    ASSERT_TRUE(works(net.server, saving("attach any 25:2525 --engine auto", file)));
    ASSERT_TRUE(works(net.server, saving("attach eth0 80:4000 --replace --engine tc", file)));
    EXPECT_THAT(text_of(file.name()), HasSubstr("\"443:8443@198.51.100.0/24\""));
    EXPECT_THAT(text_of(file.name()), HasSubstr("rules = [\"80:4000\", \"53:5353\""));
    const auto applied = apply(net.server, file, {"--prune"});
    EXPECT_THAT(applied.out, EndsWith("\n6 the same\n")) << applied.err; // an owner among them
    EXPECT_THAT(tool(net.server, saving("attach any 25:2525 --engine auto", file)).out,
                HasSubstr("nothing to save in"));

    // From nothing, the file makes the same rules again.
    const auto before = rules(net.server);
    ASSERT_EQ(tool(net.server, "detach --all").status, 0);
    EXPECT_EQ(apply(net.server, file).status, 0);
    EXPECT_THAT(rules(net.server), testing::UnorderedElementsAreArray(before));

    ASSERT_TRUE(works(net.server, saving("detach eth0 53:5353/udp", file)));
    ASSERT_TRUE(works(net.server, saving("detach any --drain", file)));
    EXPECT_THAT(apply(net.server, file, {"--prune"}).out, EndsWith("\n4 the same\n"));
    ASSERT_TRUE(works(net.server, saving("detach eth0", file)));
    EXPECT_EQ(text_of(file.name()), "# by hand\n");
    struct stat status {};
    ASSERT_EQ(::stat(file.name().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, RefusedRulesAreNotSaved) {
    const ClientServer net;
    const Service web(net.server, 80);
    const PolicyText file("# by hand\n");
    EXPECT_TRUE(refuses(net.server, saving("attach eth0 80:3000", file), 1, {"port 80"}));
    EXPECT_TRUE(refuses(net.server, saving("detach eth0 80:3000", file), 1, {"80:3000"}));
    EXPECT_TRUE(refuses(net.server, saving("attach eth0 81:3000 --hook clsact", file), 2,
                        {"--save", "[host]"}));
    EXPECT_TRUE(refuses(net.server, saving("attach pid:1 81:3000", file), 2, {"--save", "pid:1"}));
    const auto dry = tool(net.server, saving("attach eth0 81:3000 --dry-run", file));
    EXPECT_THAT(dry.out, HasSubstr(fmt::format("would be saved in {}\n", file.name())));
    EXPECT_EQ(text_of(file.name()), "# by hand\n");
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A rule that can't be saved is not put into force, and one that can't be removed from the file stays.
TEST_F(NetTest, WhatCantBeSavedIsNotDone) {
    const ClientServer net;
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --save=/nonexistent/policy.toml", 1,
                        {"/nonexistent", "No such file or directory"}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    const PolicyText wrong("[[interface]]\nname = \"eth0\"\nruls = [\"80:3000\"]\n");
    EXPECT_TRUE(refuses(net.server, saving("attach eth0 80:3000", wrong), 1, {":3:1: "}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));

    // The last step fails: a file on which another is mounted can't be replaced.
    const PolicyText file("# by hand\n");
    auto while_mounted = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"--netns", net.server.name()});
        arguments.push_back("--save=" + file.name());
        std::vector<std::string> words{
            "unshare", "-m", "sh", "-c", "mount --bind \"$0\" \"$0\" && exec \"$@\"", file.name()};
        for (auto& word : bpfport_command(std::move(arguments))) words.push_back(std::move(word));
        return run(words);
    };
    const auto attached = while_mounted({"attach", "eth0", "80:3000"});
    EXPECT_EQ(attached.status, 1);
    EXPECT_THAT(attached.err, HasSubstr("all is as it was before"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));

    ASSERT_TRUE(works(net.server, saving("attach eth0 80:3000", file)));
    const auto before = rules(net.server);
    const auto text = text_of(file.name());
    EXPECT_EQ(while_mounted({"detach", "eth0", "80:3000"}).status, 1);
    EXPECT_EQ(while_mounted({"attach", "eth0", "80:4000", "--replace"}).status, 1);
    EXPECT_EQ(rules(net.server), before);
    EXPECT_EQ(text_of(file.name()), text);
    const std::filesystem::path path = file.name();
    EXPECT_FALSE(std::filesystem::exists(path.parent_path() /
                                         fmt::format(".{}.bpfport", path.filename().string())));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Of a directory, the file that says it is edited; what is new goes to policy.toml.
TEST_F(NetTest, SaveFindsTheFileOfARule) {
    const ClientServer net;
    std::string directory = testing::TempDir() + "policyXXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    std::filesystem::create_directory(directory + "/policy.d");
    const std::string web = directory + "/policy.d/web.toml";
    std::ofstream(web) << "# web\n"
                       << entry("eth0", "\"80:3000\", \"81:3001\"",
                                fmt::format("netns = \"{}\"\nengine = \"tc\"", net.server.name()));
    ASSERT_EQ(bpfport(net.server, {"apply", directory}).status, 0);
    const std::string save = " --save=" + directory;
    ASSERT_TRUE(works(net.server, "detach eth0 80:3000" + save));
    EXPECT_THAT(text_of(web), testing::AllOf(HasSubstr("# web\n"), HasSubstr("[\"81:3001\"]")));
    EXPECT_FALSE(std::filesystem::exists(directory + "/policy.toml"));
    ASSERT_TRUE(works(net.server, "attach any 82:3002 --engine tc" + save));
    EXPECT_THAT(text_of(directory + "/policy.toml"), HasSubstr("name = \"any\""));
    EXPECT_THAT(bpfport(net.server, {"apply", "--prune", directory}).out,
                EndsWith("\n2 the same\n"));
    std::filesystem::remove_all(directory);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
