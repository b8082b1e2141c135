// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// top in a real terminal (tmux), and stats for machines.
#include <atomic>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/sweep.hpp"
#include "net/observe/metrics_lab.hpp"

namespace bpfport::test {
namespace {

using namespace std::chrono_literals;

// A terminal with a tmux server of its own, so that nobody's tmux is touched; in a test's namespace,
// so that it goes with that.
class Terminal {
  public:
    Terminal(const Netns& netns, int columns, int rows, const std::vector<std::string>& command)
        : netns_(netns) {
        std::vector<std::string> words = {"new-session",           "-d", "-x",
                                          std::to_string(columns), "-y", std::to_string(rows)};
        words.insert(words.end(), command.begin(), command.end());
        auto started = tmux(words);
        EXPECT_EQ(started.status, 0) << started.err;
    }
    ~Terminal() { tmux({"kill-server"}); }

    void press(const std::string& key) { tmux({"send-keys", key}); }
    void resize(int columns, int rows) {
        tmux({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows)});
    }
    std::string screen() { return tmux({"capture-pane", "-p"}).out; }
    // The screen once it shows the text; the last one when it never does.
    std::string wait_for(const std::string& text) {
        std::string shown;
        for (int i = 0; i < 150; i++) {
            shown = screen();
            if (shown.find(text) != std::string::npos) break;
            std::this_thread::sleep_for(100ms);
        }
        return shown;
    }
    bool ended() {
        for (int i = 0; i < 100; i++) {
            if (tmux({"list-sessions"}).status != 0) return true;
            std::this_thread::sleep_for(50ms);
        }
        return false;
    }

  private:
    ProcessResult tmux(std::vector<std::string> words) {
        words.insert(words.begin(), {"tmux", "-f", "/dev/null", "-L", name_});
        return run(words, {.netns = &netns_});
    }
    const Netns& netns_;
    std::string name_ = unique_name();
};

std::vector<std::string> top_command(const Netns& netns) {
    return bpfport_command({"--netns", netns.name(), "top", "--interval", "0.3"});
}

using Top = MetricsLab;

// The lines that hold one of the rules, in their order: "80:3000 81:3001".
std::string order(const std::string& screen) {
    std::string rules;
    std::istringstream lines(screen);
    for (std::string line; std::getline(lines, line);)
        for (const char* rule : {"80:3000", "81:3001"})
            if (line.find(rule) != std::string::npos) rules += std::string(rule) + " ";
    return rules;
}

TEST_F(Top, ShowsSortsAndResizes) {
    REQUIRE_PROGRAM("tmux");
    UdpServer server(net_->server, {"0.0.0.0", 3001});
    attach({"eth0", "80:3000", "81:3001/udp"});
    Terminal terminal(net_->server, 100, 12, top_command(net_->server));
    const std::string first = terminal.wait_for("81:3001");
    EXPECT_NE(first.find("bpfport top: 2 rules"), std::string::npos) << first;
    EXPECT_NE(first.find("DOWN"), std::string::npos) << first;

    // Busiest first: the second rule rises to the top while it is used.
    std::atomic<bool> over = false;
    std::thread load([&] {
        auto client = UdpClient::connect(net_->client, {"10.1.0.2", 81});
        while (client && !over) static_cast<void>(client->echo("x"));
    });
    std::string screen;
    for (int i = 0; i < 100 && order(screen) != "81:3001 80:3000 "; i++) {
        std::this_thread::sleep_for(100ms);
        screen = terminal.screen();
    }
    EXPECT_EQ(order(screen), "81:3001 80:3000 ") << screen;
    terminal.press("r");
    for (int i = 0; i < 100 && order(screen) != "80:3000 81:3001 "; i++) {
        std::this_thread::sleep_for(100ms);
        screen = terminal.screen();
    }
    EXPECT_EQ(order(screen), "80:3000 81:3001 ") << screen;
    over = true;
    load.join();

    for (int i = 0; i < 2; i++) terminal.press("<");
    EXPECT_NE(terminal.wait_for("RULE*").find("RULE*"), std::string::npos) << terminal.screen();
    // Narrower: columns go from the right; wider: they come back.
    EXPECT_NE(terminal.screen().find("OPEN"), std::string::npos);
    terminal.resize(50, 6);
    for (int i = 0; i < 100 && terminal.screen().find("OPEN") != std::string::npos; i++)
        std::this_thread::sleep_for(100ms);
    screen = terminal.screen();
    EXPECT_EQ(screen.find("OPEN"), std::string::npos) << screen;
    EXPECT_NE(screen.find("RULE*"), std::string::npos) << screen;
    terminal.resize(130, 20);
    EXPECT_NE(terminal.wait_for("CONNS").find("CONNS"), std::string::npos) << terminal.screen();
    terminal.press("q");
    EXPECT_TRUE(terminal.ended());
}

TEST_F(Top, WithoutTerminalNamesTheAlternative) {
    auto refused = bpfport(net_->server, {"top"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.err.find("hint: for machines: bpfport stats --watch --json"),
              std::string::npos)
        << refused.err;
}

TEST_F(Top, StatsGivesOneObjectALine) {
    UdpServer server(net_->server, {"0.0.0.0", 3001});
    attach({"eth0", "80:3000", "81:3001/udp"});
    Process watch(bpfport_command({"--netns", net_->server.name(), "stats", "--watch", "--json",
                                   "--interval", "0.5", "--count", "4"}));
    auto client = UdpClient::connect(net_->client, {"10.1.0.2", 81});
    ASSERT_TRUE(client);
    unsigned sent = 0;
    for (; watch.running(); sent++) ASSERT_TRUE(client->echo("x").has_value());
    auto result = watch.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    std::istringstream lines(result.out);
    unsigned count = 0;
    double fastest = 0;
    for (std::string line; std::getline(lines, line); count++) {
        auto json = nlohmann::json::parse(line);
        ASSERT_EQ(json.at("rules").size(), 2U);
        for (const auto& rule : json.at("rules")) {
            if (rule.at("protocol") == "tcp") {
                EXPECT_EQ(rule.at("target_up"), false);
                EXPECT_EQ(rule.at("connections_open"), 0);
                continue;
            }
            EXPECT_EQ(rule.at("scope"), "eth0");
            EXPECT_EQ(rule.at("engine"), "tc");
            EXPECT_FALSE(rule.contains("connections_open")) << "UDP has none to count";
            EXPECT_LE(rule.at("packets_in").get<unsigned>(), sent);
            fastest = std::max(fastest, rule.at("packets_in_per_second").get<double>());
        }
        EXPECT_TRUE(json.at("flows").contains("hints"));
    }
    EXPECT_EQ(count, 4U);
    EXPECT_GT(fastest, 0);
    auto once = bpfport(net_->server, {"stats"});
    EXPECT_EQ(once.status, 0);
    EXPECT_NE(once.out.find("81:3001/udp"), std::string::npos) << once.out;
}

} // namespace
} // namespace bpfport::test
