// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// serve as a process: its files, signals, what it tells systemd, and that what is in force doesn't depend on it.
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <thread>

#include "net/serve/serving.hpp"
#include "serve/log.hpp"

namespace bpfport::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr auto kServer = ClientServer::server_address;
const std::string kTc = "engine = \"tc\"\n";

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) found++;
    return found;
}

// "voluntary_ctxt_switches" and others of /proc/PID/status.
long number_of(pid_t pid, const std::string& field) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
    return -1;
}

std::vector<std::string> sorted_rules(const Netns& netns) {
    auto all = rules(netns);
    std::ranges::sort(all);
    return all;
}

bool has_rules(const Netns& netns, const std::vector<std::string>& wanted) {
    return time_until([&] { return sorted_rules(netns) == wanted; }).has_value();
}

// A command that saves changes rules and files in one step: serve, which sees the first and then the second, does not
// put back what the files had before.
TEST_F(NetTest, ServeLeavesWhatIsSaved) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Served serve(net.server, entry("eth0", "\"90:3000\"", kTc));
    const std::string save = " --engine tc --save=" + serve.directory().string();
    const std::string detach = "detach eth0 80:4000 --save=" + serve.directory().string();
    for (int round = 0; round < 5; round++) {
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + save));
        std::this_thread::sleep_for(100ms);
        ASSERT_TRUE(works(net.server, "attach eth0 80:4000 --replace" + save));
        std::this_thread::sleep_for(100ms);
        ASSERT_TRUE(works(net.server, detach));
    }
    serve.notify.clear();
    ASSERT_EQ(::kill(serve.process().pid(), SIGHUP), 0);
    EXPECT_TRUE(serve.notify.has("READY=1"));
    EXPECT_THAT(sorted_rules(net.server), ElementsAre("90:3000 on eth0"));
    for (const char* event : {"added: 80", "changed: 80", "removed: 80", "left: 80"})
        EXPECT_EQ(count(serve.said(), event), 0U) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, ServeFollowsFiles) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 90:3000"));
    Served serve(net.server, entry("eth0", "\"80:3000\", \"81:3000\"", kTc));
    EXPECT_THAT(sorted_rules(net.server),
                ElementsAre("80:3000 on eth0", "81:3000 on eth0", "90:3000 on eth0"));
    EXPECT_THAT(serve.said(), HasSubstr("left: 90:3000 on eth0 (tc), which no file has\n"));

    // What was in the file goes, what was made by hand stays.
    serve.write(entry("eth0", "\"80:3000\", \"82:3000\"", kTc));
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0", "82:3000 on eth0", "90:3000 on eth0"}))
        << serve.said();
    EXPECT_TRUE(serve.says("removed: 81:3000 on eth0 (tc)\n"));
    EXPECT_TRUE(serve.says("added: 82:3000 on eth0 (tc)\n"));

    // Bad: nothing changes, and it is said once.
    serve.notify.clear();
    serve.write(entry("eth0", "\"80\"", kTc) + "wrong = 1\n");
    EXPECT_TRUE(serve.notify.has("; policy: 2 errors in ")) << serve.said();
    ASSERT_EQ(::kill(serve.process().pid(), SIGHUP), 0);
    EXPECT_TRUE(serve.notify.has("READY=1"));
    EXPECT_THAT(sorted_rules(net.server),
                ElementsAre("80:3000 on eth0", "82:3000 on eth0", "90:3000 on eth0"));
    const auto said = serve.said();
    EXPECT_EQ(count(said, "policy.toml:3:"), 1U) << said;
    EXPECT_EQ(count(said, "there is no key \"wrong\""), 1U) << said;
    EXPECT_THAT(said, HasSubstr("what they had before stays in force"));
    // The last good one is kept in force meanwhile.
    ASSERT_TRUE(works(net.server, "detach eth0 82:3000"));
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0", "82:3000 on eth0", "90:3000 on eth0"}));

    serve.notify.clear();
    serve.write(entry("eth0", "\"80:3000\"", kTc));
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0", "90:3000 on eth0"})) << serve.said();
    EXPECT_TRUE(serve.notify.has("STATUS=1 in force, 1 that no file has"));
    // More files, a directory that wasn't there, and none at all.
    std::filesystem::create_directory(serve.directory() / "policy.d");
    std::ofstream(serve.directory() / "policy.d/more.toml") << entry("eth0", "\"83:3000\"", kTc);
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0", "83:3000 on eth0", "90:3000 on eth0"}));
    std::filesystem::remove_all(serve.directory() / "policy.d");
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0", "90:3000 on eth0"}));
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// As tools make it that manage configurations.
TEST_F(NetTest, ServeFollowsTheTargetOfALink) {
    const ClientServer net;
    const PolicyText target(entry("eth0", "\"80:3000\"", kTc));
    Served serve(net.server, "");
    const auto file = serve.directory() / "policy.toml";
    std::filesystem::remove(file);
    std::filesystem::create_symlink(target.name(), file);
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0"})) << serve.said();
    target.write(entry("eth0", "\"81:3000\"", kTc));
    EXPECT_TRUE(has_rules(net.server, {"81:3000 on eth0"})) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(NetTest, ServeTellsSystemd) {
    const ClientServer net;
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc), {"WATCHDOG_USEC=400000"});
    EXPECT_TRUE(serve.notify.has("WATCHDOG=1"));
    // Twice in the time that systemd waits.
    std::chrono::milliseconds least = 1h;
    for (int round = 0; round < 4; round++) {
        serve.notify.clear();
        const auto time = time_until([&] { return serve.notify.has("WATCHDOG=1", 0ms); });
        ASSERT_TRUE(time);
        if (round > 0) least = std::min(least, *time); // from one to the next
    }
    EXPECT_LT(least, 300ms);
    ASSERT_EQ(::kill(serve.process().pid(), SIGHUP), 0);
    EXPECT_TRUE(serve.notify.has("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_TRUE(serve.notify.has("READY=1"));
    EXPECT_EQ(serve.stop().status, 0);
    EXPECT_TRUE(serve.notify.has("STOPPING=1"));
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// With a wrong policy from the beginning it waits for a right one, and boot goes on.
TEST_F(NetTest, ServeStartsWithAWrongPolicy) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 90:3000"));
    Served serve(net.server, "wrong\n");
    EXPECT_TRUE(serve.notify.has("STATUS=0 in force; policy: 1 error in "));
    EXPECT_THAT(rules(net.server), ElementsAre("90:3000 on eth0"));
    serve.write(entry("eth0", "\"80:3000\"", kTc));
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0", "90:3000 on eth0"})) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(NetTest, ServeEndsAndNothingChanges) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc));
    auto open = connected(net.client, {kServer(false), 80});
    for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
        const auto before = status(net.server);
        EXPECT_EQ(serve.stop(signal).status, signal == SIGKILL ? 128 + SIGKILL : 0);
        EXPECT_TRUE(alive(open));
        EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
        EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
        serve.start();
        EXPECT_TRUE(alive(open));
    }
    // Killed while it works, it leaves the old rules or the new ones, and the next one goes on.
    for (int delay = 0; delay < 60; delay += 15) {
        serve.write(entry("eth0", fmt::format("\"80:3000\", \"{}:3000\"", 100 + delay), kTc));
        std::this_thread::sleep_for(std::chrono::milliseconds(30 + delay));
        serve.stop(SIGKILL);
        EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
        serve.start();
        EXPECT_THAT(rules(net.server),
                    testing::Contains(fmt::format("{}:3000 on eth0", 100 + delay)));
    }
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, ServeIsTheOnlyOne) {
    const ClientServer net;
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc));
    const auto second = run(serve.command());
    EXPECT_EQ(second.status, 1);
    EXPECT_THAT(second.err, HasSubstr(fmt::format("process {} serves ", serve.process().pid())));
    EXPECT_THAT(second.err, HasSubstr(fmt::format("kill {}", serve.process().pid())));
    // One that was killed is in no one's way.
    serve.stop(SIGKILL);
    serve.start();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(NetTest, ServeIsIdle) {
    const ClientServer net;
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc));
    const pid_t pid = serve.process().pid();
    const auto switches = [&] {
        return number_of(pid, "voluntary_ctxt_switches") +
               number_of(pid, "nonvoluntary_ctxt_switches");
    };
    // Not at first: addresses of IPv6 are checked for a second or two.
    const auto idle = [&] {
        const long before = switches();
        std::this_thread::sleep_for(1500ms);
        return switches() == before;
    };
    EXPECT_TRUE(time_until(idle, 8s));
    fmt::print("serve: {} kB resident\n", number_of(pid, "VmRSS"));
#ifndef __SANITIZE_ADDRESS__
    EXPECT_LT(number_of(pid, "VmRSS"), 10 * 1024) << "kB";
#endif
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// A rule that another command left to drain goes when its last connection ends, without any command.
TEST_F(NetTest, ServeFinishesDrains) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 81:3000"));
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc));
    std::optional<TcpClient> open = connected(net.client, {kServer(false), 81});
    ASSERT_TRUE(alive(*open));
    (void)tool(net.server, "detach eth0 81:3000 --drain --timeout 1");
    EXPECT_THAT(rules(net.server), testing::Contains("81:3000 on eth0"));
    EXPECT_TRUE(alive(*open));
    open.reset();
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0"})) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

// What waits to be confirmed is not taken back by serve, and not taken for its own.
TEST_F(NetTest, ServeWaitsForConfirm) {
    const ClientServer net;
    Served serve(net.server, entry("eth0", "\"80:3000\"", kTc));
    const PolicyText other(entry("eth0", "\"80:4000\"", kTc));
    Process applying(
        bpfport_command({"--netns", net.server.name(), "apply", other.name(), "--confirm", "30s"}));
    EXPECT_TRUE(has_rules(net.server, {"80:4000 on eth0"}));
    EXPECT_TRUE(serve.notify.has("waits to be confirmed"));
    EXPECT_THAT(rules(net.server), ElementsAre("80:4000 on eth0"));
    ASSERT_EQ(bpfport({"confirm"}).status, 0);
    EXPECT_EQ(applying.wait().status, 0);
    EXPECT_TRUE(has_rules(net.server, {"80:3000 on eth0"})) << serve.said();
    EXPECT_EQ(serve.stop().status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST(ServeLog, KnowsTheJournalByItsStream) {
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    struct stat status {};
    ASSERT_EQ(::fstat(null.get(), &status), 0);
    const auto stream = fmt::format("{}:{}", status.st_dev, status.st_ino);
    EXPECT_TRUE(is_journal(null.get(), stream.c_str()));
    EXPECT_FALSE(is_journal(null.get(), "1:2"));
    EXPECT_FALSE(is_journal(null.get(), nullptr));
}

} // namespace
} // namespace bpfport::test
