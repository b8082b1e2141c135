// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Many flows at once, each to be remembered: connections that processes hold open, and UDP peers
// that are written to long after they wrote. BPFPORT_SOAK=1 makes it a million of each.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "net/fixture.hpp"
#include "net/strangers.hpp"

namespace bpfport::test {
namespace {

std::uint32_t wanted() {
    if (const char* said = std::getenv("BPFPORT_CONNECTIONS"))
        return std::stoul(said) / 1000 * 1000;
    return quick_or_full(20'000, 1'000'000, 5'000);
}

// Processes that accept connections, greet each with a byte and keep it open. One after another,
// each as many as its limit of open files has room for.
class Holders {
  public:
    explicit Holders(const Fd& listener) : listener_(listener.get()) {
        void* shared = ::mmap(nullptr, sizeof(Count), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) throw std::runtime_error("mmap: " + error_text(errno));
        count_ = new (shared) Count;
        add();
    }
    Holders(const Holders&) = delete;
    Holders& operator=(const Holders&) = delete;
    ~Holders() {
        for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
        for (const pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
        ::munmap(count_, sizeof(Count));
    }

    // True once so many connections were accepted; false when nothing has moved for five seconds.
    bool have(std::uint32_t count) {
        std::uint32_t last = 0;
        for (int still = 0; still < 5000; ++still) {
            if (count_->full != pids_.size() - 1) add();
            const std::uint32_t now = count_->held;
            if (now >= count) return true;
            if (now != last) still = 0;
            last = now;
            ::usleep(1000);
        }
        return false;
    }
    // Each says another byte on each of its connections. False: not all could.
    bool speak() {
        count_->spoken = 0;
        ++count_->rounds;
        for (int tries = 0; tries < 120'000 && count_->spoken < count_->held; ++tries)
            ::usleep(1000);
        return count_->spoken == count_->held;
    }
    [[nodiscard]] std::uint32_t held() const { return count_->held; }
    [[nodiscard]] std::size_t processes() const { return pids_.size(); }

  private:
    struct Count {
        std::atomic<std::uint32_t> held = 0;
        std::atomic<std::uint32_t> spoken = 0;
        std::atomic<std::uint32_t> rounds = 0;
        std::atomic<std::uint32_t> full = 0; // processes
    };

    void add() {
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) throw std::runtime_error("fork: " + error_text(errno));
        if (pid > 0) {
            pids_.push_back(pid);
            return;
        }
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() == parent) hold();
        ::_exit(0);
    }

    [[noreturn]] void hold() {
        std::vector<int> open;
        bool full = false;
        for (std::uint32_t round = count_->rounds;;) {
            const int socket = full ? -1 : ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
            if (socket >= 0) {
                open.push_back(socket);
                ::send(socket, "x", 1, MSG_NOSIGNAL);
                ++count_->held;
                continue;
            }
            if (!full && errno == EMFILE) {
                full = true;
                ++count_->full;
            }
            if (count_->rounds != round) {
                round = count_->rounds;
                for (const int each : open)
                    if (::send(each, "y", 1, MSG_NOSIGNAL) == 1) ++count_->spoken;
            }
            ::usleep(full ? 50'000 : 500); // fifty of them are many
        }
    }

    int listener_;
    Count* count_ = nullptr;
    std::vector<pid_t> pids_;
};

class Concurrent : public NetTest {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_KERNEL(5, 18); // live frames
        net_.emplace(false);
        responder_.emplace(*net_);
    }

    std::optional<ClientServer> net_;
    std::optional<Responder> responder_;
};

// Frames of a test run meet no XDP program of the interface, so that engine is not among these.
class ConcurrentConnections : public Concurrent, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(, ConcurrentConnections, testing::Values("tc", "sklookup"), engine_param);

TEST_P(ConcurrentConnections, AreAllHeld) {
    constexpr std::uint32_t kBatch = 500;
    net_->server.sysctl("net/core/somaxconn", "65535");
    net_->server.sysctl("net/ipv4/tcp_max_syn_backlog", "65535");
    auto listener = open_socket(net_->server, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK,
                                {.source = Endpoint{"::", 3000}});
    ASSERT_TRUE(listener) << listener.error().message;
    ASSERT_EQ(::listen(listener->get(), 65535), 0);
    ASSERT_TRUE(works(net_->server, std::string("attach eth0 80:3000 --engine ") + GetParam()));
    Holders holders(*listener);
    Strangers v4(*net_, {.ipv6 = false});
    Strangers v6(*net_, {.ipv6 = true});
    for (std::uint32_t sent = 0; sent < wanted(); sent += 2 * kBatch) {
        v4.send(kBatch);
        v6.send(kBatch);
        ASSERT_TRUE(holders.have(sent + 2 * kBatch))
            << holders.held() << " of " << sent + 2 * kBatch;
    }
    ASSERT_TRUE(holders.speak());
    const auto heard = responder_->heard();
    EXPECT_EQ(heard.from_target, 0U);
    EXPECT_EQ(heard.resets, 0U);
    EXPECT_GE(heard.handshakes, wanted());
    EXPECT_GE(heard.answers, 2 * wanted());
    const auto asked = std::chrono::steady_clock::now();
    const auto rule = status(net_->server).at("rules").at(0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - asked;
    EXPECT_EQ(rule.at("connections"), wanted());
    EXPECT_EQ(rule.at("open_connections"), wanted());
    fmt::print("{} connections at once, held by {} processes; status took {:.1f} s\n", wanted(),
               holders.processes(), took.count());
}

TEST_F(Concurrent, UdpPeersAreAllKnown) {
    auto socket = open_socket(net_->server, AF_INET6, SOCK_DGRAM, {.source = Endpoint{"::", 3000}});
    ASSERT_TRUE(socket) << socket.error().message;
    ASSERT_TRUE(works(net_->server,
                      fmt::format("attach eth0 80:3000/udp --engine tc --flows {}", 2 * wanted())));
    Strangers v4(*net_, {.ipv6 = false, .udp = true});
    Strangers v6(*net_, {.ipv6 = true, .udp = true});
    v4.send(wanted() / 2);
    v6.send(wanted() / 2);
    for (std::uint32_t n = 0; n < wanted() / 2; ++n)
        for (const Strangers* strangers : {&v4, &v6}) {
            const SocketAddress to(strangers->stranger(n));
            ASSERT_EQ(::sendto(socket->get(), "x", 1, 0, to.get(), to.size), 1)
                << error_text(errno);
        }
    const auto heard = responder_->heard();
    EXPECT_EQ(heard.from_target, 0U);
    EXPECT_EQ(heard.answers, wanted());
    fmt::print("{} peers at once\n", wanted());
}

} // namespace
} // namespace bpfport::test
