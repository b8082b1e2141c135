// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// apply and serve killed at each call by which they change something, while clients go on: what is in force is what was
// before or what shall be, never a part of it, and the next command finishes. Also where what is in force is
// of another version of bpfport, as after an upgrade of the package, and is made anew on the way.
#include <signal.h>

#include "harness/amount.hpp"
#include "net/killed.hpp"
#include "net/rules/transfer.hpp"
#include "net/serve/serving.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr const char* kOld = "hello hello refused"; // of ports 80, 81 and 82
constexpr const char* kNew = "hello other hello";

enum class Version { kThis, kAnother };

// A host whose rules change, a client, and a connection that must not notice.
class Host {
  public:
    explicit Host(const std::string& engine) : engine_(fmt::format("engine = \"{}\"\n", engine)) {
        restore(Version::kThis);
        busy_.emplace(net.client, Endpoint{kServer(false), 80});
    }
    [[nodiscard]] std::string after() const {
        return entry("eth0", "\"80:3000\", \"81:4000\", \"82:3000\"", engine_);
    }
    [[nodiscard]] std::string answers() const {
        std::string text;
        for (const std::uint16_t port : {80, 81, 82})
            text += (text.empty() ? "" : " ") +
                    ask(net.client, {kServer(port == 81), port}, Transport::kTcp);
        return text;
    }
    // The old rules, as that version left them.
    void restore(Version version) const {
        const PolicyText before(entry("eth0", "\"80:3000\", \"81:3000\"", engine_));
        const auto done = apply(net.server, before, {"--prune"});
        EXPECT_EQ(done.status, 0) << done.err;
        EXPECT_EQ(answers(), kOld);
        if (version == Version::kAnother) age_build<bp_netns_meta>(instance_directory(net.server));
    }
    void expect_old_or_new(const Call& killed) {
        const auto now = answers();
        EXPECT_THAT(now, testing::AnyOf(kOld, kNew)) << killed.text;
        const bool old = now == kOld;
        std::vector<std::string> wanted{"80:3000 on eth0"};
        if (old) wanted.emplace_back("81:3000 on eth0");
        if (!old) wanted.insert(wanted.end(), {"81:4000 on eth0", "82:3000 on eth0"});
        EXPECT_THAT(rules(net.server), testing::UnorderedElementsAreArray(wanted)) << killed.text;
        (old ? left_old_ : left_new_)++;
    }
    // Of those in the file.
    [[nodiscard]] std::vector<Call> calls(const std::string& file) {
        const auto all = changing_calls(file);
        calls_ += all.size();
        return some_of(all, quick_or_full(3, 1000, 1));
    }
    void end() {
        fmt::print("{} calls; killed at {}, which left the old rules, and {}, the new ones\n",
                   calls_, left_old_, left_new_);
        EXPECT_GT(left_old_ + left_new_, 0);
        EXPECT_GT(busy_->finish(), 1U);
        EXPECT_TRUE(works(net.server, "detach --all"));
        EXPECT_TRUE(expect_kernel_empty({net.server}));
    }
    const ClientServer net{};

  private:
    const std::string engine_;
    const Service web_{net.server, 3000};
    const Service other_{net.server, 4000, {.answer = "other"}};
    std::optional<Transfer> busy_;
    std::size_t calls_ = 0;
    int left_old_ = 0, left_new_ = 0;
};

class Killed : public EveryEngine {
  protected:
    void SetUp() override {
        EveryEngine::SetUp();
        if (!IsSkipped()) REQUIRE_PROGRAM("strace");
    }
};
INSTANTIATE_TEST_SUITE_P(, Killed, testing::Values("tc", "xdp", "auto"), engine_param);

TEST_P(Killed, ApplyAtEachCall) {
    Host host(GetParam());
    const PolicyText file(host.after()), log("");
    const auto command =
        bpfport_command({"--netns", host.net.server.name(), "apply", file.name(), "--prune"});
    for (const auto version : {Version::kThis, Version::kAnother}) {
        SCOPED_TRACE(version == Version::kThis ? "of this version" : "of another version");
        host.restore(version);
        ASSERT_EQ(run(traced(command, log.name())).status, 0);
        ASSERT_EQ(host.answers(), kNew);
        for (const auto& call : host.calls(log.name())) {
            host.restore(version);
            EXPECT_EQ(run(killed_at(call, command)).status, 128 + SIGKILL) << call.text;
            host.expect_old_or_new(call);
            const auto finished = apply(host.net.server, file, {"--prune"});
            EXPECT_EQ(finished.status, 0) << finished.err;
            EXPECT_EQ(host.answers(), kNew) << call.text;
        }
    }
    host.end();
}

// As the package's upgrade starts it: what another version left it makes its own.
TEST_P(Killed, ServeAtEachCall) {
    Host host(GetParam());
    const PolicyText log("");
    host.restore(Version::kAnother);
    Served serve(host.net.server, host.after(), traced({}, log.name()));
    ASSERT_EQ(host.answers(), kNew) << serve.said();
    serve.kill();
    for (const auto& call : host.calls(log.name())) {
        host.restore(Version::kAnother);
        serve.start(killed_at(call, {})); // the process that applies dies of it, then the whole
        serve.kill();
        EXPECT_THAT(serve.said(), HasSubstr("ended by signal 9")) << call.text;
        host.expect_old_or_new(call);
        serve.start();
        EXPECT_EQ(host.answers(), kNew) << call.text << serve.said();
        EXPECT_EQ(serve.stop().status, 0);
    }
    host.end();
}

} // namespace
} // namespace bpfport::test
