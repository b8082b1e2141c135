// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Floods of spoofed packets, put into the server's receive path: established connections stay
// established, new clients are served while it lasts, and the kernel keeps nothing of it.
// BPFPORT_SOAK=1 makes each ten million packets.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "net/fixture.hpp"
#include "net/strangers.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

enum class Kind { kSyn, kSynThenAck, kAck, kUdp };

struct FloodCase {
    Kind kind;
    std::uint16_t port; // 80 and 81 go to 3000
    bool exclusive;
};

std::string text(const FloodCase& one) {
    constexpr const char* kKinds[] = {"Syn", "SynThenAck", "Ack", "Udp"};
    return fmt::format("{}To{}{}", kKinds[static_cast<int>(one.kind)], one.port,
                       one.exclusive ? "Exclusive" : "");
}

std::string flood_name(const testing::TestParamInfo<FloodCase>& tested) {
    return text(tested.param);
}

void PrintTo(const FloodCase& one, std::ostream* out) { *out << text(one); }

std::vector<FloodCase> flood_cases() {
    std::vector<FloodCase> cases;
    for (const Kind kind : {Kind::kSyn, Kind::kSynThenAck, Kind::kAck, Kind::kUdp})
        for (const std::uint16_t port : {80, 81, 3000})
            for (const bool exclusive : {false, true}) cases.push_back({kind, port, exclusive});
    return cases;
}

std::uint32_t wanted() { return quick_or_full(40'000, 10'000'000, 10'000); }

// What the kernel holds in objects and per CPU, but for the kinds that come and go with processes
// and files: others on this machine start and end those. Of objects with a cache of their own, and
// of those by size.
long kernel_memory_kb() {
    static constexpr std::string_view kOthers[] = {
        "task_",       "mm_struct", "vm_area",     "anon_vma",   "maple_node",  "signal_",
        "sighand",     "files_",    "fs_cache",    "cred",       "pid",         "filp",
        "dentry",      "inode",     "ext4",        "radix_tree", "buffer_head", "kmalloc-cg",
        "kmalloc-rcl", "vmap_area", "names_cache", "btrfs",      "kernfs",      "seq_file",
        "file_lock",   "bio",       "blkdev",      "taskstats",  "perf_event",  "stack_"};
    std::ifstream slabs("/proc/slabinfo");
    long pages = 0;
    for (std::string line; std::getline(slabs, line);) {
        std::istringstream words(line);
        std::vector<std::string> field;
        for (std::string word; words >> word;) field.push_back(word);
        if (field.size() < 15 || field[0] == "#") continue;
        const bool others = std::ranges::any_of(kOthers, [&](std::string_view part) {
            return field[0].find(part) != std::string::npos;
        });
        if (!others) pages += std::stol(field[14]) * std::stol(field[5]);
    }
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("Percpu:")) return pages * 4 + std::atol(line.c_str() + 7);
    return pages * 4;
}

class Flood : public NetTest, public testing::WithParamInterface<FloodCase> {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_KERNEL(5, 18); // live frames
        net_.emplace();
        // Direct clients have an address of their own: no tuple is claimed twice by chance.
        net_->link.a.add_address("10.1.0.3/24").add_address("fd01::3/64");
        // What the new clients leave behind is not the flood's.
        net_->client.sysctl("net/ipv4/tcp_max_tw_buckets", "100");
        net_->server.sysctl("net/ipv4/tcp_max_tw_buckets", "100");
    }

    void send(bool ipv6, std::uint32_t count) const {
        const auto [kind, port, exclusive] = GetParam();
        Strangers strangers(*net_, {.ipv6 = ipv6,
                                    .udp = kind == Kind::kUdp,
                                    .port = port,
                                    .flags = kind == Kind::kAck ? kAck : kSyn,
                                    .acknowledges = kind == Kind::kSynThenAck});
        strangers.send(count);
    }

    std::vector<TcpClient> connect(std::uint16_t port, int count) const {
        std::vector<TcpClient> open;
        for (int i = 0; i < count; ++i) {
            const bool ipv6 = i % 2 != 0;
            SocketOptions options = kPatient;
            if (port == 3000) options.source = Endpoint{ipv6 ? "fd01::3" : "10.1.0.3", 0};
            open.push_back(connected(net_->client, {kServer(ipv6), port}, options));
            EXPECT_TRUE(alive(open.back(), 100));
        }
        return open;
    }

    static unsigned answering(std::vector<TcpClient>& connections) {
        unsigned count = 0;
        for (TcpClient& connection : connections) count += alive(connection, 100) ? 1 : 0;
        return count;
    }

    // New clients, one after another, until `end`; TCP by the listen port.
    void come_and_go(const std::atomic<bool>& end) const {
        for (unsigned n = 0; n == 0 || !end; ++n)
            EXPECT_EQ(ask(net_->client, {kServer(n % 2 != 0), 80}, Transport::kTcp, kPatient),
                      "hello");
    }

    // Of all rules, by status.
    std::uint64_t packets_in() const {
        std::uint64_t sum = 0;
        const auto now = status(net_->server);
        for (const auto& rule : now.at("rules")) sum += rule.at("packets_in").get<std::uint64_t>();
        return sum;
    }

    static constexpr SocketOptions kPatient{.timeout = 30s};
    std::optional<ClientServer> net_;
};

INSTANTIATE_TEST_SUITE_P(, Flood, testing::ValuesIn(flood_cases()), flood_name);

TEST_P(Flood, DisturbsNobody) {
    // Half-open connections are over after 7 s, not 63.
    net_->server.sysctl("net/ipv4/tcp_synack_retries", "2");
    const Service web(net_->server, 3000);
    std::vector<TcpClient> direct = connect(3000, 100);
    ASSERT_TRUE(works(net_->server, std::string("attach eth0 80:3000/tcp+udp 81:3000/tcp+udp "
                                                "--engine tc --hints 8192") + // soon all strangers'
                                        (GetParam().exclusive ? " --exclusive" : "")));
    std::vector<TcpClient> redirected = connect(80, 100);
    const long before = kernel_memory_kb();

    std::atomic<bool> end = false;
    std::thread newcomers([&] { come_and_go(end); });
    for (const bool ipv6 : {false, true}) send(ipv6, wanted() / 2);
    end = true;
    newcomers.join();

    const bool redirects = GetParam().port != 3000;
    EXPECT_GE(packets_in(), redirects ? wanted() : 0U) << "some went past the rule";
    EXPECT_EQ(answering(redirected), 100U);
    EXPECT_EQ(answering(direct), 100U);
    // Half-open connections that are still waiting for their ACK go first.
    long after = kernel_memory_kb();
    for (int i = 0; i < 600 && after > before + before / 20; ++i) {
        std::this_thread::sleep_for(100ms);
        after = kernel_memory_kb();
    }
    EXPECT_LE(after, before + before / 20) << "kB";
    EXPECT_TRUE(web.tcp.seen().size() >= 200);
    EXPECT_EQ(ask(net_->client, {kServer(false), 80}, Transport::kUdp, kPatient), "hello");
    ASSERT_TRUE(works(net_->server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net_->server}));
}

} // namespace
} // namespace bpfport::test
