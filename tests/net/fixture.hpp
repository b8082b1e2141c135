// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the net tests share: the real binary on real traffic in namespaces of their own. ask() is
// what a client sees, in one word, so that a test reads as a table of who gets what answer.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>

#include <nlohmann/json.hpp>

#include "harness/bpfport.hpp"
#include "harness/environment.hpp"
#include "harness/kernel_state.hpp"
#include "harness/process.hpp"
#include "harness/servers.hpp"
#include "harness/sockets.hpp"
#include "harness/topology.hpp"
#include "state/directory.hpp"

namespace bpfport::test {

using namespace std::chrono_literals;
using testing::HasSubstr;

inline constexpr uid_t kNobody = 65534;

// Every test needs root and bpffs.
class NetTest : public testing::Test {
  protected:
    void SetUp() override;
};

enum class Transport { kTcp, kUdp };

struct Flavour {
    bool ipv6;
    Transport transport;
    [[nodiscard]] std::string text() const; // "v6 udp"
};
inline constexpr std::array kFlavours = {
    Flavour{false, Transport::kTcp}, Flavour{true, Transport::kTcp},
    Flavour{false, Transport::kUdp}, Flavour{true, Transport::kUdp}};

// Whether connections are given to the server's socket as they are, instead of being rewritten.
inline bool steers(std::string_view engine) { return engine == "sklookup" || engine == "auto"; }

// How the tests run that depend on it: checksums finished by the sender or left to the device,
// where the programs hang, and the engine.
struct Mode {
    bool tx_checksum;
    const char* hook; // --hook
    const char* engine = "tc";
    [[nodiscard]] std::string options() const; // for `bpfport attach`
    [[nodiscard]] bool steers() const { return test::steers(engine); }
};
std::string mode_name(const testing::TestParamInfo<Mode>& info);
void PrintTo(const Mode& mode, std::ostream* out);
// Skips the test when the kernel has no such hook or engine.
#define REQUIRE_HOOK(hook)                                                                         \
    do {                                                                                           \
        if (std::string_view(hook) == "tcx") REQUIRE_KERNEL(6, 6);                                 \
    } while (false)
#define REQUIRE_ENGINE(engine)                                                                     \
    do {                                                                                           \
        if (::bpfport::test::steers(engine)) REQUIRE_KERNEL(5, 17);                                \
    } while (false)
#define REQUIRE_MODE(mode)                                                                         \
    do {                                                                                           \
        REQUIRE_HOOK((mode).hook);                                                                 \
        REQUIRE_ENGINE((mode).engine);                                                             \
    } while (false)

// A test that is the same for every engine; the parameter is the word for --engine.
class EveryEngine : public NetTest, public testing::WithParamInterface<const char*> {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (!IsSkipped()) REQUIRE_ENGINE(GetParam());
    }
    static std::string attach(const std::string& words) {
        return std::string("attach --engine ") + GetParam() + " " + words;
    }
};
// The same for every mode.
class EveryMode : public NetTest, public testing::WithParamInterface<Mode> {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (!IsSkipped()) REQUIRE_MODE(GetParam());
    }
    static std::string attach(const std::string& words) {
        return "attach " + GetParam().options() + " " + words;
    }
};
inline std::string engine_param(const testing::TestParamInfo<const char*>& info) {
    return info.param;
}

// A server on one port for both families and both transports.
struct Service {
    TcpServer tcp;
    UdpServer udp;

    Service(const Netns& netns, std::uint16_t port, const ServerOptions& options = {})
        : tcp(netns, {"::", port}, options), udp(netns, {"::", port}, options) {}
    [[nodiscard]] std::size_t served() const { return tcp.seen().size() + udp.seen().size(); }
};

// Sends "hello" and returns the answer; or "refused", "silent" (nothing came within the time),
// "wrong port" (UDP: the answer came from elsewhere), "closed", or the error's words.
std::string ask(const Netns& from, const Endpoint& server, Transport transport,
                const SocketOptions& options = {.timeout = 3s});
// The same for one that is expected to stay silent, so it does not wait long.
inline constexpr auto kSilence = SocketOptions{.timeout = 400ms};

// An open TCP connection, or a throw.
TcpClient connected(const Netns& from, const Endpoint& server, const SocketOptions& options = {});
// Whether it still carries data both ways.
testing::AssertionResult alive(TcpClient& connection, std::size_t bytes = 2000);

// `bpfport --netns NETNS WORDS`, the words split at blanks. True when it succeeds. An attach that
// names no engine is one of tc, or of the environment's BPFPORT_TEST_ENGINE.
ProcessResult tool(const Netns& netns, const std::string& words);
testing::AssertionResult works(const Netns& netns, const std::string& words);
// It fails with that exit status and says all of these.
testing::AssertionResult refuses(const Netns& netns, const std::string& words, int status,
                                 const std::vector<std::string>& says);

nlohmann::json status(const Netns& netns);
// The pins of its rules.
std::filesystem::path instance_directory(const Netns& netns);
// Deletes every TCP hint, as a flood may.
void forget_hints(const Netns& netns);
// As if another build had made what is in there: the next command upgrades it.
template <typename Meta> void age_build(const std::filesystem::path& directory) {
    const Directory there(directory);
    auto meta = there.meta<Meta>().value();
    meta.build++;
    ASSERT_TRUE(there.describe_anew(meta));
}
std::uint64_t outcome(const Netns& netns, const std::string& label);
// "80:3000 on eth0" of each rule, in order.
std::vector<std::string> rules(const Netns& netns);

} // namespace bpfport::test
