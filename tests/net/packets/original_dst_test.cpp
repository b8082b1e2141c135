// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// --original-dst: what getsockopt(SO_ORIGINAL_DST) tells a program that was written for an iptables redirect.
#include <unistd.h>

#include <thread>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

// Asks right after accept(2), before a segment of the connection's own socket has left the host.
constexpr auto kProgram = R"(
import errno, socket, struct, sys
listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("::", int(sys.argv[1])))
listener.listen(16)
while True:
    client, peer = listener.accept()
    mapped = peer[0].startswith("::ffff:")
    level, size = (0, 16) if mapped else (41, 28)
    try:
        answer = client.getsockopt(level, 80, int(sys.argv[2]) if len(sys.argv) > 2 else size)
        family, port = struct.unpack("=H", answer[:2])[0], struct.unpack("!H", answer[2:4])[0]
        own = (socket.AF_INET, answer[4:8]) if mapped else (socket.AF_INET6, answer[8:24])
        text = "%s %d" % (socket.inet_ntop(*own), port)
        if family != own[0] or len(answer) != size: text = "malformed"
    except OSError as error:
        text = errno.errorcode[error.errno]
    client.sendall(text.encode())
    client.recv(10)
    client.close()
)";

struct Program {
    Process process;

    explicit Program(const Netns& netns, std::vector<std::string> arguments = {})
        : process(command(std::move(arguments)), {.netns = &netns}) {
        EXPECT_TRUE(wait_for_port(netns, 3000));
    }
    static std::vector<std::string> command(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {kPython, "-c", kProgram, "3000"});
        return arguments;
    }
};

std::string said(const Netns& from, const Address& to, std::uint16_t port) {
    return ask(from, {to, port}, Transport::kTcp);
}

// What the kernel says by itself, without and with conntrack in it: no connection is tracked here.
bool is_nothing(const std::string& answer) { return answer == "ENOPROTOOPT" || answer == "ENOENT"; }

class OriginalDst : public EveryMode {
  protected:
    void SetUp() override {
        EveryMode::SetUp();
        if (IsSkipped()) return;
        REQUIRE_PYTHON();
        REQUIRE_KERNEL(5, 15);
    }
};
INSTANTIATE_TEST_SUITE_P(, OriginalDst,
                         testing::Values(Mode{false, "tcx"}, Mode{false, "clsact"},
                                         Mode{false, "auto", "xdp"},
                                         Mode{false, "auto", "sklookup"},
                                         Mode{false, "auto", "auto"}),
                         mode_name);

TEST_P(OriginalDst, IsWhatTheClientSentTo) {
    const ClientServer net;
    const Program program(net.server);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 8000-8002:=3000 --original-dst")));
    ASSERT_TRUE(works(net.server, attach("eth0 81:3000")));
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "v6" : "v4");
        const std::string own = ipv6 ? "fd01::2" : "10.1.0.2";
        const std::string loopback = ipv6 ? "::1" : "127.0.0.1";
        EXPECT_EQ(said(net.client, kServer(ipv6), 80), own + " 80");
        EXPECT_EQ(said(net.client, kServer(ipv6), 8001), own + " 8001");
        EXPECT_EQ(said(net.server, kServer(ipv6), 80), own + " 80");
        EXPECT_EQ(said(net.server, Address(loopback), 80), loopback + " 80");
        // Who was not redirected, and a rule that says nothing of it.
        EXPECT_PRED1(is_nothing, said(net.client, kServer(ipv6), 3000));
        EXPECT_PRED1(is_nothing, said(net.client, kServer(ipv6), 81));
    }
    const auto shown = status(net.server).at("rules");
    EXPECT_EQ(shown.at(0).at("original_dst"), true);
    EXPECT_THAT(shown.at(0).at("notes").get<std::string>(), HasSubstr("original-dst"));
    EXPECT_EQ(shown.at(2).at("original_dst"), false);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The kernel's own answer, by conntrack, would be the target port under tc and XDP.
TEST_P(OriginalDst, ReplacesConntracks) {
    REQUIRE_PROGRAM("nft");
    const ClientServer net;
    const Program program(net.server);
    const auto made = run({"nft", "add table inet seen; add chain inet seen in { type filter hook "
                                  "input priority 0; }; add rule inet seen in ct state new accept"},
                          {.netns = &net.server});
    if (made.status != 0) GTEST_SKIP() << "no conntrack here: " << made.err;
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
    if (is_nothing(said(net.client, kServer(false), 80)))
        GTEST_SKIP() << "this kernel has no SO_ORIGINAL_DST";
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 --original-dst")));
    EXPECT_EQ(said(net.client, kServer(false), 80), "10.1.0.2 80");
    EXPECT_EQ(said(net.client, kServer(true), 80), "fd01::2 80");
    EXPECT_EQ(said(net.client, kServer(false), 3000), "10.1.0.2 3000") << "as without bpfport";
}

TEST_P(OriginalDst, IsOneNetworkNamespaces) {
    const ClientServer net, other;
    const Program program(net.server);
    const Program elsewhere(other.server);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 --original-dst")));
    ASSERT_TRUE(works(other.server, attach("eth0 80:3000")));
    const auto from_4001 = [](const ClientServer& at) { // the same tuple in both
        return ask(at.client, {kServer(false), 80}, Transport::kTcp,
                   {.source = Endpoint{ClientServer::client_address(false), 4001}});
    };
    EXPECT_EQ(from_4001(net), "10.1.0.2 80");
    EXPECT_PRED1(is_nothing, from_4001(other));
}

TEST_P(OriginalDst, ACallerWithoutRoomGetsTheKernelsError) {
    const ClientServer net;
    const Program program(net.server, {"15"});
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 --original-dst")));
    for (const bool ipv6 : {false, true})
        EXPECT_THAT(said(net.client, kServer(ipv6), 80), testing::AnyOf("EINVAL", "ENOPROTOOPT"));
}

TEST_P(OriginalDst, AHookThatWasDetachedIsMissed) {
    const ClientServer net;
    const Program program(net.server);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 --original-dst")));
    ASSERT_EQ(::unlink((instance_directory(net.server) / "original_dst_link").c_str()), 0);
    std::string answer; // the kernel removes the program a moment later
    for (int tries = 0; tries < 100 && !is_nothing(answer); tries++) {
        answer = said(net.client, kServer(false), 80);
        std::this_thread::sleep_for(20ms);
    }
    EXPECT_PRED1(is_nothing, answer);
    EXPECT_EQ(status(net.server).at("rules").at(0).at("original_dst"), false);
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr("ORIGINAL-DST-GONE"));
    EXPECT_THAT(tool(net.server, "doctor").out,
                HasSubstr("getsockopt(SO_ORIGINAL_DST) does not say the listen port"));
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 --original-dst")));
    EXPECT_EQ(said(net.client, kServer(false), 80), "10.1.0.2 80");
}

using OriginalDstWords = NetTest;

// A udp rule is as without the option.
TEST_F(OriginalDstWords, OfUdpThereIsNone) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 53:5353/udp --original-dst"));
    EXPECT_EQ(status(net.server).at("rules").at(0).at("original_dst"), false);
    EXPECT_FALSE(std::filesystem::exists(instance_directory(net.server) / "original_dst_link"));
}

TEST_F(OriginalDstWords, OnACgroupItIsRefused) {
    const ClientServer net;
    EXPECT_TRUE(refuses(net.server, "attach cgroup:/ 80:3000 --original-dst", 2,
                        {"--original-dst is for interfaces"}));
}

} // namespace
} // namespace bpfport::test
