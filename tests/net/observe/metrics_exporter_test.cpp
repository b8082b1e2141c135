// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The exporter as it runs: what its processes may still do, that scrapes leave nothing behind, that
// it sees what is attached later, and that Prometheus understands it.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "net/observe/metrics_lab.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 9880;
const Endpoint kExporter{"127.0.0.1", kPort};

// "CapPrm" -> "0000000000000000", of /proc/PID/status.
std::string status_field(pid_t pid, const std::string& name) {
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name + ":")) {
            auto start = line.find_first_not_of(" \t", name.size() + 1);
            return start == std::string::npos ? "" : line.substr(start);
        }
    return "?";
}

long resident_kb(pid_t pid) { return std::atol(status_field(pid, "VmRSS").c_str()); }

long open_files(pid_t pid) {
    return std::distance(fs::directory_iterator(fmt::format("/proc/{}/fd", pid)), {});
}

pid_t child_of(pid_t parent) {
    pid_t child = 0;
    std::ifstream(fmt::format("/proc/{0}/task/{0}/children", parent)) >> child;
    return child;
}

class Exporter : public MetricsLab {
  protected:
    void start() {
        collector_.emplace(bpfport_command({"--netns", net_->server.name(), "exporter"}));
        if (!wait_for_port(net_->server, kPort)) FAIL() << collector_->stop().err;
        server_ = child_of(collector_->pid());
        ASSERT_GT(server_, 0);
        // It listens a moment before it knows its page.
        for (int i = 0; i < 100 && scrape().empty(); i++) std::this_thread::sleep_for(50ms);
        ASSERT_FALSE(scrape().empty());
    }
    void TearDown() override {
        collector_.reset();
        MetricsLab::TearDown();
    }
    std::string scrape() { return http_get(net_->server, kExporter, "/metrics"); }

    std::optional<Process> collector_;
    pid_t server_ = 0;
};

TEST_F(Exporter, KeepsNoMoreThanReadingNeeds) {
    start();
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        EXPECT_EQ(status_field(server_, set), "0000000000000000") << set;
        // CAP_BPF is number 39.
        std::string kept = std::string(set) == "CapPrm" || std::string(set) == "CapEff"
                               ? "0000008000000000"
                               : "0000000000000000";
        EXPECT_EQ(status_field(collector_->pid(), set), kept) << set;
    }
    EXPECT_EQ(status_field(server_, "Uid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(status_field(server_, "Gid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(status_field(server_, "Groups"), "");
    for (pid_t pid : {server_, collector_->pid()}) EXPECT_EQ(status_field(pid, "NoNewPrivs"), "1");
    // The process that faces the network holds no BPF object.
    for (const auto& fd : fs::directory_iterator(fmt::format("/proc/{}/fd", server_))) {
        std::error_code error;
        auto what = fs::read_symlink(fd.path(), error).native();
        EXPECT_FALSE(what.starts_with("anon_inode:bpf")) << what;
    }
    const auto doctor = bpfport(net_->server, {"doctor"}).out;
    for (const auto& finding :
         {fmt::format("exporter: server (pid {}) has user nobody, no capabilities\n", server_),
          fmt::format("exporter: collector (pid {}) has user root, CAP_BPF\n", collector_->pid())})
        EXPECT_NE(doctor.find("ok       " + finding), std::string::npos) << doctor;
    auto said = collector_->stop().out;
    EXPECT_NE(said.find("serving http://127.0.0.1:9880/metrics"), std::string::npos) << said;
    EXPECT_NE(said.find("user nobody, no capabilities"), std::string::npos) << said;
    EXPECT_NE(said.find("user root, CAP_BPF"), std::string::npos) << said;
}

TEST_F(Exporter, SeesWhatIsAttachedLater) {
    start();
    EXPECT_EQ(metric(scrape(), "bpfport_up"), 1);
    EXPECT_FALSE(metric(scrape(), "bpfport_packets_total"));
    for (int round = 0; round < 2; round++) {
        TcpServer server(net_->server, {"0.0.0.0", 3000});
        attach({"eth0", "80:3000"});
        auto client = TcpClient::connect(net_->client, {"10.1.0.2", 80});
        ASSERT_TRUE(client && client->echo("x").has_value());
        const std::string text = scrape();
        EXPECT_EQ(metric(text, "bpfport_connections_total", {"80:3000"}), 1) << text;
        EXPECT_EQ(metric(text, "bpfport_connections_open", {"80:3000"}), 1) << text;
        EXPECT_EQ(metric(text, "bpfport_attachment_up", {"eth0"}), 1) << text;
        ASSERT_EQ(bpfport(net_->server, {"detach", "eth0"}).status, 0);
        EXPECT_FALSE(metric(scrape(), "bpfport_packets_total"));
    }
}

TEST_F(Exporter, ThousandScrapesWithoutGrowth) {
    attach({"eth0", "80:3000", "53:5353/udp"});
    start();
    const unsigned rounds = quick_or_full(1000, 1000, 100), before = 200;
    struct Use {
        long files, memory;
    };
    auto use = [](pid_t pid) { return Use{open_files(pid), resident_kb(pid)}; };
    // The allocator and the latency summary of the HTTP library reach their size first.
    for (unsigned i = 0; i < before; i++) ASSERT_FALSE(scrape().empty());
    std::this_thread::sleep_for(200ms);
    const Use server_before = use(server_), collector_before = use(collector_->pid());
    for (unsigned i = 0; i < rounds; i++) ASSERT_FALSE(scrape().empty()) << i;
    std::this_thread::sleep_for(200ms);
    const Use server_after = use(server_), collector_after = use(collector_->pid());
    EXPECT_EQ(server_after.files, server_before.files);
    EXPECT_EQ(collector_after.files, collector_before.files);
    EXPECT_LE(server_after.memory, server_before.memory + 512) << "kB";
    EXPECT_LE(collector_after.memory, collector_before.memory + 512) << "kB";
    RecordProperty("server_kb", std::to_string(server_after.memory));
    RecordProperty("collector_kb", std::to_string(collector_after.memory));
}

TEST_F(Exporter, EndsWithEitherProcess) {
    start();
    ASSERT_EQ(::kill(server_, SIGKILL), 0);
    auto ended = collector_->wait();
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find("the server's process has ended"), std::string::npos) << ended.err;
    start();
    collector_->signal(SIGTERM);
    EXPECT_EQ(collector_->wait().status, 128 + SIGTERM);
    for (int i = 0; i < 100 && fs::exists(fmt::format("/proc/{}", server_)); i++)
        std::this_thread::sleep_for(20ms);
    EXPECT_FALSE(fs::exists(fmt::format("/proc/{}", server_)));
}

TEST_F(Exporter, SaysWhyItCannotListen) {
    start();
    auto second = bpfport(net_->server, {"exporter"});
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.err.find("listen on 127.0.0.1:9880: Address already in use"),
              std::string::npos)
        << second.err;
    auto privileged = bpfport(net_->server, {"exporter", "--listen", "127.0.0.1:90"});
    EXPECT_EQ(privileged.status, 1);
    EXPECT_NE(privileged.err.find("Permission denied"), std::string::npos) << privileged.err;
}

TEST_F(Exporter, PromtoolFindsNothingToSay) {
    REQUIRE_PROGRAM("promtool");
    attach({"eth0", "80:3000/tcp+udp"});
    start();
    for (const std::string& text : {metrics(), bpfport({"metrics", "--all-netns"}).out, scrape()}) {
        auto checked = run({"promtool", "check", "metrics"}, {.input = text});
        EXPECT_EQ(checked.status, 0) << checked.err << checked.out << text;
        EXPECT_EQ(checked.out + checked.err, "");
    }
}

// The whole way: requests by a client, through the redirect, counted in the kernel, served by the
// exporter, scraped by Prometheus, asked for in PromQL.
TEST_F(Exporter, PrometheusKnowsHowManyRequestsWereMade) {
    REQUIRE_PROGRAM("prometheus");
    TcpServer server(net_->server, {"0.0.0.0", 3000});
    attach({"eth0", "80:3000"});
    start();
    const fs::path home = fs::temp_directory_path() / fmt::format("bpfport-{}", ::getpid());
    fs::create_directories(home);
    std::ofstream(home / "prometheus.yml")
        << "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: bpfport\n"
           "  static_configs: [{targets: ['127.0.0.1:9880']}]\n";
    std::optional<Process> prometheus;
    prometheus.emplace(
        std::vector<std::string>{"prometheus",
                                 "--config.file=" + (home / "prometheus.yml").string(),
                                 "--storage.tsdb.path=" + (home / "data").string(),
                                 "--web.listen-address=127.0.0.1:9090"},
        ProcessOptions{.netns = &net_->server});
    const unsigned requests = 37;
    for (unsigned i = 0; i < requests; i++) {
        auto client = TcpClient::connect(net_->client, {"10.1.0.2", 80});
        ASSERT_TRUE(client && client->echo("request").has_value());
    }
    ASSERT_TRUE(wait_for_port(net_->server, 9090, false, 60s)) << prometheus->stop().err;
    std::string value, answer;
    for (int i = 0; i < 300 && value != std::to_string(requests); i++) {
        std::this_thread::sleep_for(200ms);
        answer =
            http_get(net_->server, {"127.0.0.1", 9090},
                     "/api/v1/query?query=sum(bpfport_connections_total%7Brule%3D%2280%3A3000%22"
                     "%7D)");
        auto json = nlohmann::json::parse(answer, nullptr, false);
        if (json.is_discarded() || !json.contains("data")) continue;
        for (const auto& one : json["data"]["result"]) value = one["value"][1].get<std::string>();
    }
    EXPECT_EQ(value, std::to_string(requests)) << answer;
    prometheus.reset();
    fs::remove_all(home);
}

TEST_F(MetricsLab, OutputReplacesTheFileAtOnce) {
    const fs::path directory =
        fs::temp_directory_path() / fmt::format("bpfport-out-{}", ::getpid());
    fs::create_directories(directory);
    const fs::path file = directory / "bpfport.prom";
    std::ofstream(file) << "old";
    attach({"eth0", "80:3000"});
    EXPECT_EQ(metrics({"--output", file.string()}), "");
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    EXPECT_EQ(metric(text.str(), "bpfport_rule_in_force", {"80:3000"}), 1) << text.str();
    EXPECT_EQ(fs::status(file).permissions(), fs::perms(0644));
    EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 1)
        << "nothing is left beside it";
    auto refused = bpfport(net_->server, {"metrics", "--output", "/proc/no/such.prom"});
    EXPECT_EQ(refused.status, 1);
    fs::remove_all(directory);
}

TEST_F(MetricsLab, EveryNetnsIsTold) {
    attach({"eth0", "80:3000"});
    auto other = bpfport(net_->client, {"attach", "eth0", "81:3001"});
    ASSERT_EQ(other.status, 0) << other.err;
    EXPECT_EQ(bpfport(net_->server, {"metrics", "--all-netns"}).status, 2) << "names one";
    auto netns = [](const Netns& one) { return fmt::format("netns=\"{}\"", one.inode()); };
    auto all = bpfport({"metrics", "--all-netns"});
    EXPECT_EQ(metric(all.out, "bpfport_rule_in_force", {"80:3000", netns(net_->server)}), 1);
    EXPECT_EQ(metric(all.out, "bpfport_rule_in_force", {"81:3001", netns(net_->client)}), 1);
    EXPECT_FALSE(metric(metrics(), "bpfport_rule_in_force", {"netns="}));
    EXPECT_EQ(bpfport(net_->client, {"detach", "--all"}).status, 0);
}

} // namespace
} // namespace bpfport::test
