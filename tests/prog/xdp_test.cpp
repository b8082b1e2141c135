// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The xdp program, frame by frame: what it redirects is exactly right, and what it must leave to tc
// comes out as it went in. Flows are put on record by hand, as tc would have admitted them.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "bpfport/flow.h"
#include "bpfport/meta.h"
#include "engine/registry.hpp"
#include "engine/tc_object.hpp"
#include "engine/xdp_object.hpp"
#include "harness/bpfport.hpp"
#include "harness/environment.hpp"
#include "harness/model.hpp"
#include "harness/sweep.hpp"
#include "harness/test_run.hpp"
#include "harness/translation.hpp"
#include "kernel/bpf.hpp"
#include "state/instance.hpp"
#include "state/table.hpp"

namespace bpfport::test {
namespace {

constexpr std::uint16_t kListen = 80, kTarget = 3000, kClient = 40000;
constexpr Mac kOwn{0x02, 0, 0, 0, 0, 0xaa};

template <typename T> T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message + ": " + result.error().hint);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// The maps of an instance and the xdp program over them, in a directory of bpffs.
class Lab {
  public:
    Lab() : directory_(std::filesystem::path("/sys/fs/bpf") / unique_name()) {
        require_bpffs();
        if (::mkdir(directory_.c_str(), 0700) != 0) throw std::runtime_error("mkdir in bpffs");
        must(load_tc_object(directory_,
                            {.sizes = {.hints = 4096, .udp_flows = 4096, .forward = 1024}}));
        program_ = must(load_xdp_program(directory_, kOwn));
        table_ = std::make_unique<Table>(must(Table::open(must(table_maps(directory_)), true)));
    }
    Lab(const Lab&) = delete;
    Lab& operator=(const Lab&) = delete;
    ~Lab() { std::filesystem::remove_all(directory_); }

    void rules(const std::vector<const char*>& texts, std::uint32_t engine = BP_ENGINE_XDP,
               std::uint16_t flags = 0, std::uint8_t on_absent = BP_ABSENT_RESET) const {
        std::vector<RuleSpec> rules;
        for (const char* text : texts)
            for (const Rule& rule : must(parse_rules(text)))
                rules.push_back({0, rule, 0, engine, flags, on_absent, 0});
        if (!table_->commit(must(table_->plan(rules, slot_bits))))
            throw std::runtime_error("rules");
    }

    void know(bool udp, bool ipv6, std::uint16_t listen_port) const {
        const bp_flow flow{htons(listen_port), htons(kTarget), 1, 0};
        const auto key = flow_key(ipv6);
        bpf_map_update_elem(flows(udp).get(), &key, &flow, BPF_ANY);
    }
    // What the peer sees; nullopt: no flow.
    [[nodiscard]] std::optional<std::uint16_t> known(bool udp, bool ipv6) const {
        bp_flow flow{};
        const auto key = flow_key(ipv6);
        if (bpf_map_lookup_elem(flows(udp).get(), &key, &flow) != 0) return {};
        return ntohs(flow.listen_port);
    }
    void forget(bool udp, bool ipv6) const {
        const auto key = flow_key(ipv6);
        bpf_map_delete_elem(flows(udp).get(), &key);
    }

    [[nodiscard]] TestRun run(const Bytes& frame) const {
        return must(test_run(program_.get(), frame));
    }

  private:
    [[nodiscard]] Fd flows(bool udp) const {
        return must(open_pin(directory_ / (udp ? pins::kUdpFlows : pins::kHints)));
    }
    static void put_address(const Address& address, __u8* to) {
        std::fill_n(to, 16, std::uint8_t{0});
        if (!address.is_ipv6()) to[10] = to[11] = 0xff;
        std::ranges::copy(address.bytes(), to + (address.is_ipv6() ? 0 : 12));
    }
    static bp_flow_key flow_key(bool ipv6) {
        bp_flow_key key{};
        put_address(ipv6 ? Ipv6{}.src : Ipv4{}.src, key.peer);
        put_address(ipv6 ? Ipv6{}.dst : Ipv4{}.dst, key.local);
        key.peer_port = htons(kClient);
        key.target_port = htons(kTarget);
        return key;
    }

    std::filesystem::path directory_;
    Fd program_;
    std::unique_ptr<Table> table_;
};

class XdpProgram : public testing::Test {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        static Lab shared;
        lab_ = &shared;
        lab_->rules({"80:3000/tcp+udp"});
        for (const bool udp : {false, true})
            for (const bool ipv6 : {false, true}) lab_->know(udp, ipv6, kListen);
    }
    [[nodiscard]] const Lab& lab() const { return *lab_; }

    void expect_redirected(const Bytes& frame) const {
        const TestRun run = lab().run(frame);
        EXPECT_EQ(run.action, XDP_PASS);
        EXPECT_TRUE(expect_translation(frame, run.frame, Where::kDestination, kTarget));
    }
    void expect_left(const Bytes& frame) const {
        const TestRun run = lab().run(frame);
        EXPECT_EQ(run.action, XDP_PASS);
        EXPECT_TRUE(expect_untouched(frame, run.frame));
    }

  private:
    Lab* lab_ = nullptr;
};

Packet ethernet(const Mac& to = kOwn) { return Ethernet{.dst = to}; }
Packet network(bool ipv6) { return ipv6 ? Packet(Ipv6{}) : Packet(Ipv4{}); }
Packet transport(bool udp, Checksum checksum = Checksum::kCorrect, std::uint16_t port = kListen) {
    if (udp) return Udp{.sport = kClient, .dport = port, .checksum = checksum};
    return Tcp{.sport = kClient, .dport = port, .flags = kAck, .checksum = checksum};
}
Bytes frame(bool udp, bool ipv6, Checksum checksum = Checksum::kCorrect,
            std::uint16_t port = kListen) {
    return (ethernet() / network(ipv6) / transport(udp, checksum, port) / Payload(20)).build();
}

TEST_F(XdpProgram, KnownFlows) {
    for (const bool udp : {false, true})
        for (const bool ipv6 : {false, true}) {
            SCOPED_TRACE(fmt::format("{} {}", ipv6 ? "v6" : "v4", udp ? "udp" : "tcp"));
            expect_redirected(frame(udp, ipv6));
            expect_redirected(frame(udp, ipv6, Checksum::kWrong)); // as wrong as it was
            expect_left(frame(udp, ipv6, Checksum::kPartial));
            lab().forget(udp, ipv6);
            expect_left(frame(udp, ipv6));
            lab().know(udp, ipv6, 81);
            expect_left(frame(udp, ipv6));
        }
}

TEST_F(XdpProgram, ZeroStaysZero) { expect_redirected(frame(true, false, Checksum::kZero)); }

// Over all that a checksum can be, the one that equals the pseudo-header's sum included.
TEST_F(XdpProgram, EveryChecksum) {
    const Bytes partial = frame(true, true, Checksum::kPartial);
    const std::size_t at = *parse(partial).packet->checksum_offset;
    const unsigned pseudo = partial[at] * 256U + partial[at + 1];
    unsigned left = 0;
    for (unsigned value = 0; value < 0x10000; value += 1 + value % 7) {
        if (value + 7 >= pseudo && value < pseudo) value = pseudo; // not to be stepped over
        Bytes content(20);
        content[0] = static_cast<std::uint8_t>(value >> 8);
        content[1] = static_cast<std::uint8_t>(value);
        Bytes one = (ethernet() / Ipv6{} / transport(true) / Payload(content)).build();
        const bool looks_partial = one[at] == partial[at] && one[at + 1] == partial[at + 1];
        left += looks_partial ? 1 : 0;
        const TestRun run = lab().run(one);
        ASSERT_TRUE(looks_partial
                        ? expect_untouched(one, run.frame)
                        : expect_translation(one, run.frame, Where::kDestination, kTarget))
            << value;
    }
    // The payload that makes the complete checksum look so.
    Bytes content(20);
    Bytes plain = (ethernet() / Ipv6{} / transport(true) / Payload(content)).build();
    const std::uint32_t sum = (plain[at] * 256U + plain[at + 1]) + (~pseudo & 0xffff);
    const auto word = static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
    content[0] = static_cast<std::uint8_t>(word >> 8);
    content[1] = static_cast<std::uint8_t>(word);
    plain = (ethernet() / Ipv6{} / transport(true) / Payload(content)).build();
    ASSERT_EQ(plain[at] * 256U + plain[at + 1], pseudo);
    expect_left(plain);
}

TEST_F(XdpProgram, LeftToTc) {
    const Packet udp = transport(true) / Payload(20);
    struct Case {
        const char* name;
        Packet packet;
    };
    const Case cases[] = {
        {"another host's address", ethernet({0x02, 0, 0, 0, 0, 0xab}) / Ipv4{} / udp},
        {"broadcast", ethernet({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) / Ipv4{} / udp},
        {"vlan", ethernet() / Vlan{.id = 5} / Ipv4{} / udp},
        {"priority tag", ethernet() / Vlan{.id = 0} / Ipv4{} / udp},
        {"options", ethernet() / Ipv4{.options = Bytes{1, 1, 1, 1}} / udp},
        {"first fragment", ethernet() / Ipv4{.more_fragments = true} / udp},
        {"later fragment", ethernet() / Ipv4{.fragment_offset = 64} / udp},
        {"extension header", ethernet() / Ipv6{} / HopByHop{} / udp},
        {"fragment header", ethernet() / Ipv6{} / Fragment{.more = true} / udp},
        {"SYN", ethernet() / Ipv4{} / Tcp{.flags = kSyn}},
        {"SYN with data", ethernet() / Ipv6{} / Tcp{.flags = kSyn} / Payload(10)},
        {"another port", ethernet() / Ipv4{} / transport(true, Checksum::kCorrect, 81)},
        {"too long a datagram", ethernet() / Ipv4{} / Udp{.length = 200} / Payload(20)},
        {"too short a datagram", ethernet() / Ipv4{} / Udp{.length = 4} / Payload(20)},
        {"too long a packet", ethernet() / Ipv4{.total_length = 900} / udp},
        {"no length", ethernet() / Ipv6{.payload_length = 0} / udp},
        {"bad TCP header", ethernet() / Ipv4{} / Tcp{.data_offset = 15}},
        {"ICMP error", ethernet() / Ipv4{} / Icmp4{} / Quote(Ipv4{} / udp)},
        {"not IP", Ethernet{.dst = kOwn, .type = 0x0806} / Payload(60)},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        expect_left(one.packet.build());
    }
}

TEST_F(XdpProgram, CutFramesAreLeft) {
    for (const bool udp : {false, true})
        for (const bool ipv6 : {false, true}) {
            const Bytes whole = frame(udp, ipv6);
            for (std::size_t size = ipv6 ? 54 : 34; size < whole.size(); size++)
                expect_left(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)));
        }
}

TEST_F(XdpProgram, Rules) {
    const Bytes datagram = frame(true, false);
    lab().rules({"80:3000/udp"}, BP_ENGINE_TC);
    expect_left(datagram);
    lab().rules({"80:3000/udp"}, BP_ENGINE_XDP, 0, BP_ABSENT_DROP);
    expect_left(datagram); // to be looked up first
    lab().rules({"192.0.2.2:80:3000/udp"});
    expect_redirected(datagram);
    lab().rules({"192.0.2.9:80:3000/udp"});
    expect_left(datagram);
    lab().rules({"192.0.2.9:80:4000/udp", "192.0.2.2:80:3000/udp"});
    expect_redirected(datagram);
    lab().rules({"70-90:2990-3010/udp"});
    expect_redirected(datagram);
    lab().rules({});
    expect_left(datagram);
}

// A flow of datagrams that was in use long ago may have begun again at another of the rules: tc tells.
TEST_F(XdpProgram, AnOldFlowOfRulesThatShareIsLeft) {
    for (const bool ipv6 : {false, true}) {
        lab().rules({"80:3000*1/tcp+udp", "80:4000*0/tcp+udp"});
        expect_left(frame(true, ipv6));
        expect_redirected(frame(false, ipv6));
        lab().rules({"80:3000/tcp+udp"});
        expect_redirected(frame(true, ipv6));
    }
}

TEST_F(XdpProgram, ADirectDatagramMakesTheFlowDirect) {
    for (const bool ipv6 : {false, true}) {
        expect_left(frame(true, ipv6, Checksum::kCorrect, kTarget));
        EXPECT_EQ(lab().known(true, ipv6), 0);
        expect_left(frame(true, ipv6)); // tc makes it a redirected one again
        lab().forget(true, ipv6);
        expect_left(frame(true, ipv6, Checksum::kCorrect, kTarget));
        EXPECT_EQ(lab().known(true, ipv6), std::nullopt);
        expect_left(frame(false, ipv6, Checksum::kCorrect, kTarget));
        EXPECT_EQ(lab().known(false, ipv6), kListen) << "a TCP segment changes nothing";
    }
    lab().rules({"80:3000/udp"}, BP_ENGINE_XDP, BP_RULE_EXCLUSIVE);
    lab().know(true, false, kListen);
    EXPECT_EQ(lab().run(frame(true, false, Checksum::kCorrect, kTarget)).action, XDP_DROP);
    EXPECT_EQ(lab().known(true, false), kListen);
}

} // namespace
} // namespace bpfport::test
