// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of this folder share: every one runs on both objects, and on packets of one
// conversation, peer:40000 with port 80 of ours, which rules send to 3000.
#pragma once

#include <linux/pkt_cls.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "bpfport/outcome.h"
#include "harness/environment.hpp"
#include "harness/lab.hpp"
#include "harness/model.hpp"
#include "harness/translation.hpp"

namespace bpfport::test {

inline constexpr std::int32_t kNext = TC_ACT_UNSPEC; // other programs of the hook go on
inline constexpr std::int32_t kDrop = TC_ACT_SHOT;
inline constexpr std::int32_t kSentBack = TC_ACT_REDIRECT;

inline constexpr std::uint16_t kListen = 80, kTarget = 3000, kClient = 40000;

// The ends of one packet.
struct Ends {
    bool ipv6 = false;
    bool udp = false;
    Address from{};
    Address to{};
    std::uint16_t sport = 0;
    std::uint16_t dport = 0;

    // From the peer to a port of ours, and back.
    static Ends in(bool ipv6, bool udp, std::uint16_t port = kListen) {
        return {ipv6, udp, Lab::peer(ipv6), Lab::address(ipv6), kClient, port};
    }
    static Ends out(bool ipv6, bool udp, std::uint16_t port = kTarget) {
        return {ipv6, udp, Lab::address(ipv6), Lab::peer(ipv6), port, kClient};
    }
    [[nodiscard]] std::string text() const {
        return fmt::format("{} {}", ipv6 ? "IPv6" : "IPv4", udp ? "udp" : "tcp");
    }
};

inline Packet ip(const Ends& e) {
    if (e.ipv6) return Ipv6{.src = e.from, .dst = e.to};
    return Ipv4{.src = e.from, .dst = e.to};
}

inline Packet l4(const Ends& e, Checksum checksum = Checksum::kCorrect) {
    if (e.udp) return Udp{.sport = e.sport, .dport = e.dport, .checksum = checksum};
    return Tcp{.sport = e.sport, .dport = e.dport, .seq = 7, .flags = kAck, .checksum = checksum};
}

inline Packet syn(const Ends& e) {
    return Tcp{.sport = e.sport, .dport = e.dport, .seq = 1000, .flags = kSyn};
}

// What opens the conversation: a SYN, a datagram.
inline Bytes opening(const Ends& e) {
    return (Lab::ethernet() / ip(e) / (e.udp ? l4(e) : syn(e))).build();
}

inline const Ends kConversations[] = {Ends::in(false, false), Ends::in(true, false),
                                      Ends::in(false, true), Ends::in(true, true)};

// Whether the kernel makes a packet of it: one that fits into a page with what the kernel adds, and
// since 6.18 has a whole IP header's bytes.
inline bool runnable(const Bytes& frame) {
    if (frame.size() < 14 || frame.size() > 3000) return false;
    const unsigned type = frame[12] * 256U + frame[13];
    return frame.size() >= 14U + (type == 0x0800 ? 20U : type == 0x86dd ? 40U : 0U);
}

class Programs : public testing::TestWithParam<TcObject> {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        try {
            lab_ = &shared(GetParam());
        } catch (const std::runtime_error& error) {
            if (GetParam() == TcObject::kDirect && !kernel_at_least(6, 2))
                GTEST_SKIP() << "direct writes need Linux 6.2: " << error.what();
            FAIL() << error.what();
        }
        lab().rules({});
        lab().forget();
    }
    [[nodiscard]] Lab& lab() const { return *lab_; }

    // Rules for tcp and udp alike.
    void attach(std::uint16_t flags = 0, std::uint8_t on_absent = BP_ABSENT_RESET) const {
        lab().rules({{"80:3000", flags, on_absent}, {"80:3000/udp", flags, on_absent}});
    }

  private:
    static Lab& shared(TcObject object) {
        static std::map<TcObject, std::unique_ptr<Lab>> labs;
        static std::map<TcObject, std::string> refused; // and not tried again by each test
        if (refused.contains(object)) throw std::runtime_error(refused.at(object));
        auto& lab = labs[object];
        try {
            if (!lab) lab = std::make_unique<Lab>(object);
        } catch (const std::runtime_error& error) {
            refused.emplace(object, error.what());
            throw;
        }
        return *lab;
    }
    Lab* lab_ = nullptr;
};

inline std::string object_name(const testing::TestParamInfo<TcObject>& info) {
    return info.param == TcObject::kDirect ? "Direct" : "Helper";
}

#define BOTH_OBJECTS(suite)                                                                        \
    INSTANTIATE_TEST_SUITE_P(Object, suite, testing::Values(TcObject::kDirect, TcObject::kHelper), \
                             object_name)

// EXPECT_TRUE(same_frame(...)): on failure, both frames described and the bytes that differ.
inline testing::AssertionResult same_frame(const Bytes& wanted, const Bytes& got) {
    if (wanted == got) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "wanted " << describe(wanted) << "\n   got " << describe(got) << "\n"
           << hexdump(got, wanted);
}

} // namespace bpfport::test
