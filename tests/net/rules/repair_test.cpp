// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Commands killed at any moment, interfaces and namespaces that vanish, commands that race: the
// next command repairs what is left, and then everything works or nothing remains.
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

using testing::IsEmpty;

constexpr auto kServer = ClientServer::server_address;
using Clock = std::chrono::steady_clock;

// How often commands are killed.
int rounds() { return static_cast<int>(quick_or_full(8, 300, 2)); }

std::vector<std::string> split(const std::string& words) {
    std::istringstream in(words);
    return {std::istream_iterator<std::string>(in), {}};
}

// Starts a command, and kills it at a moment that is drawn from its duration.
class Killer {
  public:
    explicit Killer(const Netns& netns) : netns_(&netns) {}

    void operator()(const std::string& words) {
        std::vector<std::string> argv = split(words);
        argv.insert(argv.begin(), {"--netns", netns_->name()});
        Process process(bpfport_command(argv));
        const auto delay = std::uniform_int_distribution<long>(0, 1000 * longest_.count())(random_);
        std::this_thread::sleep_for(std::chrono::microseconds(delay));
        process.signal(SIGKILL);
        if (process.wait().status == 128 + SIGKILL)
            killed_++;
        else // it ended before: the one that was measured was slow
            longest_ = std::chrono::milliseconds(delay / 1000 + 1);
    }
    // The duration of one that is left alone.
    testing::AssertionResult measure(const std::string& words) {
        const auto start = Clock::now();
        auto result = works(*netns_, words);
        longest_ =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start) + 5ms;
        return result;
    }
    [[nodiscard]] int killed() const { return killed_; }

  private:
    const Netns* netns_;
    std::mt19937 random_{std::random_device{}()};
    std::chrono::milliseconds longest_{50};
    int killed_ = 0;
};

class Repair : public EveryMode {
  protected:
    static std::string mode() { return " " + GetParam().options(); }
};
INSTANTIATE_TEST_SUITE_P(, Repair,
                         testing::Values(Mode{true, "tcx"}, Mode{true, "clsact"},
                                         Mode{true, "auto", "xdp"}, Mode{true, "auto", "auto"}),
                         mode_name);

TEST_P(Repair, AttachKilled) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Killer kill(net.server);
    ASSERT_TRUE(kill.measure("attach eth0 80:3000" + mode()));
    ASSERT_TRUE(works(net.server, "detach --all"));
    for (int round = 0; round < rounds(); ++round) {
        SCOPED_TRACE(round);
        kill("attach eth0 80:3000" + mode());
        EXPECT_EQ(ask(net.client, {kServer(true), 3000}, Transport::kTcp), "hello");
        if (round % 2 == 0) {
            ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
            EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
            EXPECT_EQ(ask(net.server, {"::1", 80}, Transport::kTcp), "hello");
            EXPECT_THAT(rules(net.server), testing::ElementsAre("80:3000 on eth0"));
        }
        ASSERT_TRUE(works(net.server, "detach --all"));
        ASSERT_TRUE(expect_kernel_empty({net.server}));
    }
    EXPECT_GT(kill.killed(), rounds() / 3);
}

TEST_P(Repair, DetachKilled) {
    const ClientServer net;
    const Service web(net.server, 3000);
    Killer kill(net.server);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    ASSERT_TRUE(kill.measure("detach eth0"));
    for (int round = 0; round < rounds(); ++round) {
        SCOPED_TRACE(round);
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
        kill(round % 3 == 0 ? "detach --all" : "detach eth0");
        EXPECT_EQ(ask(net.client, {kServer(true), 3000}, Transport::kTcp), "hello");
        if (round % 2 == 0) {
            ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
            EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
        }
        ASSERT_TRUE(works(net.server, "detach --all"));
        ASSERT_TRUE(expect_kernel_empty({net.server}));
    }
}

// A change killed half way: the rules in force are the old ones or the new ones, and connections
// don't notice.
TEST_P(Repair, ChangeKilled) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    auto open = connected(net.client, {kServer(false), 80});
    Killer kill(net.server);
    ASSERT_TRUE(kill.measure("attach eth0 81:3000"));
    for (int round = 0; round < rounds(); ++round) {
        kill(round % 2 == 0 ? "detach eth0 81:3000" : "attach any 81:3000");
        EXPECT_TRUE(alive(open));
        EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "hello");
    }
    ASSERT_TRUE(works(net.server, "attach any 82:3000"));
    EXPECT_TRUE(alive(open));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Repair, TheNamespaceVanishes) {
    const ClientServer elsewhere;
    for (int round = 0; round < 2; ++round) { // the second may get the inode of the first
        Netns gone;
        const Netns peer;
        const VethPair link(peer, "eth0", gone, "eth0");
        ASSERT_TRUE(works(gone, "attach eth0 80:3000" + mode()));
        const std::string inode = std::to_string(gone.inode());
        gone.destroy();
        // Any command in any namespace.
        ASSERT_TRUE(works(elsewhere.server, "attach eth0 81:3000" + mode()));
        for (int tries = 0; tries < 50; ++tries) { // the kernel takes its time with namespaces
            bool left = false;
            for (const auto& thing : kernel_holds({}))
                left |= thing.find(inode) != std::string::npos;
            if (!left) break;
            ASSERT_LT(tries, 49) << testing::PrintToString(kernel_holds({}));
            std::this_thread::sleep_for(100ms);
            ASSERT_TRUE(works(elsewhere.server, "attach eth0 81:3000" + mode()));
        }
    }
    ASSERT_TRUE(works(elsewhere.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({elsewhere.server}));
}

TEST_P(Repair, TheInterfaceVanishes) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    net.server.ip("link del eth0");
    const auto now = status(net.server);
    for (const auto& rule : now.at("rules")) EXPECT_EQ(rule.at("in_force"), false) << rule;
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000", 1, {"no interface eth0"}));
    // Another of that name is not silently covered; the same command does it.
    const VethPair again(net.client, "eth0", net.server, "eth0");
    again.a.add_address("10.1.0.1/24");
    again.b.add_address("10.1.0.2/24");
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "refused");
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    EXPECT_THAT(rules(net.server), testing::ElementsAre("80:3000 on eth0"));
    net.server.ip("link del eth0");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Repair, AForeignHandTakesOurHooksOff) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    const std::string_view link = GetParam().steers() ? "lookup_link" : "in";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(state_root()))
        if (entry.path().filename() == link) std::filesystem::remove(entry.path());
    if (GetParam().hook == std::string_view("clsact") || !kernel_at_least(6, 6)) // no tcx
        run({"tc", "-n", net.server.name(), "qdisc", "del", "dev", "eth0", "clsact"});
    EXPECT_EQ(status(net.server).at("rules").at(0).at("in_force"), false);
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr("NOT-IN-FORCE"));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "refused");
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Repair, CommandsRace) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const auto all = [&](const std::vector<std::string>& lines) {
        std::vector<Process> running;
        for (const std::string& line : lines) {
            std::vector<std::string> argv = split(line);
            argv.insert(argv.begin(), {"--netns", net.server.name()});
            running.emplace_back(bpfport_command(argv), ProcessOptions{.timeout = 60s});
        }
        for (std::size_t i = 0; i < running.size(); ++i) {
            const auto done = running[i].wait();
            EXPECT_EQ(done.status, 0) << lines[i] << "\n" << done.err;
        }
    };
    // Each waits 30 s for its turn, so on a slow machine there are fewer of them.
    const auto start = Clock::now();
    ASSERT_TRUE(works(net.server, "attach eth0 7999:3000" + mode()));
    const auto took = Clock::now() - start;
    ASSERT_TRUE(works(net.server, "detach eth0 7999:3000"));
    const int half = static_cast<int>(std::clamp<long>(15s / took, 6, 20)) / 2;
    std::vector<std::string> first;
    std::vector<std::string> second;
    for (int i = 0; i < 2 * half; ++i) {
        first.push_back(fmt::format("attach eth0 {}:3000{}", 8000 + i, mode()));
        second.push_back(i < half ? fmt::format("detach eth0 {}:3000", 8000 + i)
                                  : fmt::format("attach eth0 {}:3000", 8100 + i));
    }
    const auto port = [](int number) { return static_cast<std::uint16_t>(number); };
    all(first);
    EXPECT_EQ(rules(net.server).size(), first.size());
    for (const int i : {0, half - 1, 2 * half - 1})
        EXPECT_EQ(ask(net.client, {kServer(false), port(8000 + i)}, Transport::kTcp), "hello");
    all(second);
    EXPECT_EQ(rules(net.server).size(), second.size());
    EXPECT_EQ(ask(net.client, {kServer(true), port(8000 + half - 1)}, Transport::kTcp), "refused");
    EXPECT_EQ(ask(net.client, {kServer(true), port(8100 + 2 * half - 1)}, Transport::kTcp),
              "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
