// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Lab: the tc programs that ship, loaded in a network namespace of their own and attached to
// nothing: frames are put through them by BPF_PROG_TEST_RUN. Rules come from the state/table that
// ships as well. The namespace has lo and the two ends of one cable:
//
//   eth0  192.0.2.2/24 2001:db8::2/64    peer0  no address
//
// Frames arrive on eth0 unless the options say otherwise; Lab::ethernet() begins one for it.
// Nothing stays pinned: a killed test leaves nothing in bpffs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "bpfport/counters.h"
#include "bpfport/flow.h"
#include "engine/tc_object.hpp"
#include "harness/link.hpp"
#include "harness/netns.hpp"
#include "harness/packet.hpp"
#include "harness/test_run.hpp"
#include "state/table.hpp"

namespace bpfport::test {

inline constexpr Mac kEth0Mac{0x02, 0, 0, 0, 0, 0x02};
inline constexpr Mac kPeerMac{0x02, 0, 0, 0, 0, 0x01};

// A rule as it is typed, and what its options say.
struct LabRule {
    std::string_view text;
    std::uint16_t flags = 0; // BP_RULE_NO_LOCAL ... BP_RULE_EXCLUSIVE
    std::uint8_t on_absent = BP_ABSENT_RESET;
    unsigned ifindex = 0;
    std::uint16_t old_target_first = 0;
};

class Lab {
  public:
    // Throws std::runtime_error with the kernel's words.
    explicit Lab(TcObject object, TableCapacity capacity = {BP_MIN_RULES, 4 * BP_MIN_SPANS});

    [[nodiscard]] const Netns& netns() const { return netns_; }
    [[nodiscard]] unsigned eth0() const { return eth0_; }
    static Ethernet ethernet() { return {.dst = kEth0Mac, .src = kPeerMac}; }
    static Address address(bool ipv6) { return ipv6 ? "2001:db8::2" : "192.0.2.2"; }
    static Address peer(bool ipv6) { return ipv6 ? "2001:db8::1" : "192.0.2.1"; }

    // These and no others from now on. A rule that was there, with whatever weight, keeps its id.
    void rules(const std::vector<LabRule>& rules);
    [[nodiscard]] bool has_rule(std::string_view text) const;
    [[nodiscard]] std::uint16_t rule_id(std::string_view text) const; // throws: no such rule

    [[nodiscard]] const Fd& program(const char* pin) const { return pins_.at(pin); }
    [[nodiscard]] const Fd& map(const char* pin) const { return pins_.at(pin); }
    TestRun run(const char* program, const Bytes& frame, const TestRunOptions& options) const;
    // Through bp_tc_in and bp_tc_out, on eth0.
    [[nodiscard]] TestRun in(const Bytes& frame) const;
    [[nodiscard]] TestRun out(const Bytes& frame) const;
    // The same on lo, whose address is 00:00:00:00:00:00.
    [[nodiscard]] TestRun in_lo(const Bytes& frame) const;
    [[nodiscard]] TestRun out_lo(const Bytes& frame) const;

    [[nodiscard]] std::uint64_t outcome(unsigned outcome) const; // since the last forget()
    [[nodiscard]] std::string outcomes() const; // "tagged 1, icmp_in 2"; those that are not 0
    [[nodiscard]] bp_counters counters(std::string_view rule) const;
    // Empties hints, flows, counters and outcomes.
    void forget() const;
    // Local addresses and their interface, as the engine notes them.
    void own(const Address& address, unsigned ifindex) const;

  private:
    Netns netns_;
    std::optional<VethPair> cable_;
    unsigned eth0_ = 0;
    std::map<std::string, Fd, std::less<>> pins_;
    std::optional<Table> table_;
    std::vector<RuleSpec> rules_;
};

} // namespace bpfport::test
