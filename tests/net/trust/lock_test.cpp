// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The store's lock: readers don't delay commands, nothing is written or waited for under it, and the
// exporter answers while idle connections to it are open.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <list>
#include <thread>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "net/observe/metrics_lab.hpp"
#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

Endpoint exporter_at(unsigned number) {
    return {"127.0.0.1", static_cast<std::uint16_t>(9880 + number)};
}

class TrustLock : public Trust {
  protected:
    // One that has answered.
    Process start_exporter(unsigned number = 0) const {
        const auto at = exporter_at(number);
        Process exporter(
            bpfport_command({"--netns", netns->name(), "exporter", "--listen", at.text()}));
        for (int i = 0; i < 100 && scrape(number).empty(); i++) std::this_thread::sleep_for(50ms);
        EXPECT_FALSE(scrape(number).empty());
        return exporter;
    }
    std::string scrape(unsigned number = 0) const {
        return http_get(*netns, exporter_at(number), "/metrics");
    }
    // As many attach commands, one after the other.
    Seconds attach(unsigned count) const {
        const auto begin = Clock::now();
        for (unsigned i = 0; i < count; i++)
            must({"attach", "--engine", "tc", "lo", fmt::format("{}:3000", 80 + i)});
        return Clock::now() - begin;
    }
};

TEST_F(TrustLock, D14_ScrapesDoNotHoldUpCommands) {
    const unsigned count = quick_or_full(8, 100);
    must({"attach", "--engine", "tc", "lo", "79:3000"});
    const auto exporter = start_exporter();
    const Seconds alone = attach(count);
    must({"detach", "lo"});
    must({"attach", "--engine", "tc", "lo", "79:3000"});
    std::atomic<bool> done = false;
    std::atomic<unsigned> answers = 0;
    std::list<std::jthread> scrapers;
    for (unsigned i = 0; i < 4; i++)
        scrapers.emplace_back([&] {
            for (; !done; std::this_thread::sleep_for(10ms))
                if (!scrape().empty()) answers++;
        });
    const Seconds beside = attach(count);
    done = true;
    scrapers.clear();
    std::printf("%u attaches: %.2f s, beside 4 scrapers (%u answers) %.2f s\n", count,
                alone.count(), answers.load(), beside.count());
    EXPECT_LT(beside.count(), 2 * alone.count() + quick_or_full(1, 0));
    EXPECT_GT(answers, count / 2);
}

// Exporters that stand still wherever they are at that moment.
TEST_F(TrustLock, D14_AReaderThatIsStoppedHoldsNothing) {
    if (is_emulated())
        GTEST_SKIP()
            << "a reader has the lock for two system calls, which take long under emulation";
    must({"attach", "--engine", "tc", "lo", "79:3000"});
    std::vector<Process> exporters;
    for (unsigned i = 0; i < 4; i++) exporters.push_back(start_exporter(i));
    std::atomic<bool> done = false;
    std::list<std::jthread> scrapers;
    for (unsigned i = 0; i < 4; i++)
        scrapers.emplace_back([&, i] {
            while (!done) scrape(i);
        });
    for (unsigned i = 0; i < 4; i++) {
        std::this_thread::sleep_for(100ms);
        for (const auto& exporter : exporters) exporter.signal(SIGSTOP);
        const auto result = bp({"attach", "--engine", "tc", "lo", fmt::format("{}:3000", 81 + i)},
                               {.timeout = std::chrono::seconds(5)});
        for (const auto& exporter : exporters) exporter.signal(SIGCONT);
        EXPECT_EQ(result.status, 0) << result.err;
        EXPECT_FALSE(result.timed_out);
    }
    done = true;
}

// A FIFO without a reader, under the name that a file beside the output once had.
TEST_F(TrustLock, D14_NobodyCanHaveMadeTheFileBesideTheOutput) {
    must({"attach", "--engine", "tc", "lo", "80:3000"});
    const auto words = fmt::format("mkfifo {0}/.out.prom.$$ && exec {1} --netns {2} metrics "
                                   "--output {0}/out.prom",
                                   directory_, bpfport_binary(), netns->name());
    const auto result = test::run({"sh", "-c", words}, {.timeout = std::chrono::seconds(5)});
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.status, 0) << result.err;
    struct stat status {};
    ASSERT_EQ(::stat((directory_ + "/out.prom").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0644U);
}

// Runs a command whose standard output is a full pipe; then another one must get through.
constexpr auto kBehindAFullPipe = R"(
import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
try:
    while True: os.write(w, b"x" * 4096)
except BlockingIOError: pass
os.set_blocking(w, True)
at = sys.argv.index("then")
first = subprocess.Popen(sys.argv[1:at], stdout=w, stderr=w)
time.sleep(1)
if first.poll() is not None: sys.exit(77)
try: status = subprocess.run(sys.argv[at + 1:], timeout=5).returncode
except subprocess.TimeoutExpired: status = 99
os.close(w)
while os.read(r, 65536): pass
first.wait()
sys.exit(status)
)";

TEST_F(TrustLock, D14_NothingIsWrittenUnderTheLock) {
    REQUIRE_PYTHON();
    must({"attach", "--engine", "tc", "lo", "80:3000"});
    const auto words = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"--netns", netns->name()});
        return bpfport_command(arguments);
    };
    for (const auto& first :
         {std::vector<std::string>{"status"}, {"attach", "--engine", "tc", "lo", "81:3000"}}) {
        std::vector<std::string> argv{kPython, "-c", kBehindAFullPipe};
        for (const auto& word : words(first)) argv.push_back(word);
        argv.push_back("then");
        for (const auto& word : words({"attach", "--engine", "tc", "lo", "82:3000"}))
            argv.push_back(word);
        const auto result = test::run(argv);
        EXPECT_EQ(result.status, 0) << first.front() << ": " << result.err;
    }
}

TEST_F(TrustLock, D14_HalfRequestsKeepNobodyFromTheExporter) {
    must({"attach", "--engine", "tc", "lo", "80:3000"});
    const auto exporter = start_exporter();
    std::list<TcpClient> idle;
    for (int i = 0; i < 24; i++) {
        auto client = TcpClient::connect(*netns, exporter_at(0));
        ASSERT_TRUE(client);
        ASSERT_TRUE(client->send("GET /metr"));
        idle.push_back(std::move(*client));
    }
    EXPECT_THAT(scrape(), HasSubstr("bpfport_"));
}

} // namespace
} // namespace bpfport::test
