// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Spoofed SYNs push every hint out of the table, at the worst moments of a connection's
// life. Its own packets then have to show whose it is; nobody else's can.
#include <fmt/format.h>

#include "harness/amount.hpp"
#include "net/conformance/stage.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

class Evicted : public NetTest, public testing::WithParamInterface<Way> {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_HOOK(GetParam().name);
        stage_.emplace(GetParam());
        // To the strangers: a hint that was never answered by is the first to go.
        stage_->host().ip("route add default via 10.1.0.9");
        stage_->host().ip("-6 route add default via fd01::9");
    }

    // Enough of them that no hint is left of what was before, and so few that they take no three seconds: then the
    // kernel, whose SYN queue they fill, ends the client's handshake, a direct one as well.
    void strangers_come() {
        for (unsigned n = 0; n < quick_or_full(6000, 6000, 2500); ++n) {
            const auto port = static_cast<std::uint16_t>(1024 + stranger_ % 60000);
            const Packet network =
                stage_->ipv6()
                    ? Packet(Ipv6{.src = fmt::format("2001:db8::{:x}", ++stranger_),
                                  .dst = stage_->server()})
                    : Packet(Ipv4{.src = fmt::format("198.51.{}.{}", ++stranger_ / 250 % 250,
                                                     stranger_ % 250),
                                  .dst = stage_->server()});
            stage_->send(stage_->ethernet() / network /
                         Tcp{.sport = port, .dport = 80, .flags = kSyn});
        }
    }

    // The same for both families.
    template <typename F> void for_both(F&& conversation) {
        for (const bool ipv6 : {false, true}) {
            SCOPED_TRACE(ipv6 ? "v6" : "v4");
            stage_->begin(ipv6);
            conversation();
            static_cast<void>(stage_->end());
        }
    }

    std::optional<Stage> stage_;

  private:
    unsigned stranger_ = 0;
};

INSTANTIATE_TEST_SUITE_P(
    , Evicted,
    testing::Values(Way{"tcx", "attach eth0 --engine tc --hook tcx --hints 1024"},
                    Way{"clsact", "attach eth0 --engine tc --hook clsact --hints 1024"},
                    Way{"xdp", "attach eth0 --engine xdp --hints 1024"}),
    way_name);

TEST_P(Evicted, BetweenSynAckAndTheAnswerToIt) {
    for_both([&] {
        TcpPeer client(*stage_, 80);
        client.send(client.segment(kSyn));
        ASSERT_TRUE(client.hear(kSyn));
        strangers_come();
        client.acknowledge();
        EXPECT_TRUE(client.ask("echo hello"));
    });
}

// What the kernel keeps of a handshake is read by the programs of 6.2 and later; before, such a SYN
// is dropped, and answered when the handshake it repeats is over.
TEST_P(Evicted, BeforeTheSynComesAgain) {
    REQUIRE_KERNEL(6, 2);
    for_both([&] {
        TcpPeer client(*stage_, 80);
        client.slip(client.segment(kSyn));
        ASSERT_TRUE(client.hear(kSyn));
        strangers_come();
        client.send(client.segment(kSyn));
        ASSERT_TRUE(client.hear(kSyn));
        client.acknowledge();
        EXPECT_TRUE(client.ask("echo hello"));
    });
}

TEST_P(Evicted, BeforeTheClientSpeaks) {
    for_both([&] {
        TcpPeer client(*stage_, 80);
        ASSERT_TRUE(client.open());
        strangers_come();
        EXPECT_TRUE(client.ask("echo hello"));
    });
}

// A connection on record needs no hint: the reply that nobody acknowledged comes again. The strangers
// may leave a hint that replies have used.
TEST_P(Evicted, BeforeTheReplyComesAgain) {
    for_both([&] {
        TcpPeer client(*stage_, 80);
        ASSERT_TRUE(client.open());
        client.say("echo hello");
        ASSERT_TRUE(client.hear_bytes(11));
        forget_hints(stage_->host());
        strangers_come();
        EXPECT_TRUE(client.hear_again(11));
        client.acknowledge();
        EXPECT_TRUE(client.ask("echo more"));
    });
}

// A sender that does not know the sequence numbers of a direct client's handshake can't have it redirected.
TEST_P(Evicted, StrangersClaimNothing) {
    for_both([&] {
        for (const std::uint8_t flags : {kSyn, kAck, std::uint8_t{kPsh | kAck}}) {
            SCOPED_TRACE(int{flags});
            TcpPeer client(*stage_, 3000);
            client.send(client.segment(kSyn));
            ASSERT_TRUE(client.hear(kSyn));
            TcpPeer stranger(*stage_, 80, client.client_port(), 77'000'000);
            stranger.slip(stranger.segment(flags), flags == kSyn ? "" : "x");
            client.acknowledge();
            EXPECT_TRUE(client.ask("echo hello"));
            stranger.slip(stranger.segment(flags), flags == kSyn ? "" : "x");
            EXPECT_TRUE(client.ask("echo more"));
        }
    });
}

} // namespace
} // namespace bpfport::test
