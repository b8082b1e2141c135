// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Table: the rule table in kernel memory (bpfport/table.h), read back as rules and replaced as a
// whole. The programs see either the old set of rules or the new one, never a mixture, whatever
// happens to this process.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/table.h"
#include "kernel/map.hpp"
#include "rule/rule.hpp"

namespace bpfport {

struct InstalledRule {
    std::uint16_t id = 0; // 0: not in the table yet
    Rule rule;
    unsigned ifindex = 0;               // 0: every interface
    std::uint32_t engine = 0;           // enum bp_engine
    std::uint16_t flags = 0;            // BP_RULE_NO_LOCAL ... BP_RULE_EXCLUSIVE
    std::uint8_t on_absent = 0;         // enum bp_on_absent
    std::uint16_t old_target_first = 0; // see bp_rule

    [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};

// What its engine wants of the ports of a rule in the table.
struct SlotBits {
    std::uint16_t target = 0; // BP_PORT_*, besides: of the target port
    bool dormant = false;     // tcp: the tc programs have no part in it unless they are woken
};
using SlotBitsOf = SlotBits (*)(const InstalledRule& rule);
inline SlotBits no_slot_bits(const InstalledRule&) { return {}; }

// A packet as far as the choice of its rule goes.
struct ArrivingPacket {
    Protocol protocol = Protocol::kTcp;
    std::uint16_t port = 0; // its destination
    Address local;
    unsigned ifindex = 0; // by which it arrives
    unsigned owner = 0; // on lo: the interface whose rules clients of `local` take; 0: those of all
};

class Table {
  public:
    // Maps the table into this process. `writable` needs a writable descriptor.
    static Result<Table> open(const Fd& map, bool writable);

    [[nodiscard]] std::vector<InstalledRule> rules() const;

    // The id of the rule that a packet takes, as the programs find it; 0: none covers it.
    [[nodiscard]] std::uint16_t find(const ArrivingPacket& packet) const;

    // Gives an id to each rule that has none: the one that has been free longest.
    Result<void> number(std::vector<InstalledRule>& rules);
    // Writes the side not in use and flips. Rules keep their ids, and with them their counters; all
    // have one. On error nothing has changed.
    Result<void> replace(const std::vector<InstalledRule>& rules, SlotBitsOf bits);

    // enum bp_fallback: a listener that can't be steered to was seen on this TCP target port.
    [[nodiscard]] std::uint8_t fallback(std::uint16_t target_port) const;
    // Forgets that for the ports of `gone`. One that begins to listen meanwhile may be forgotten
    // with them: look again afterwards.
    void clear_fallback(const std::set<std::uint16_t>& gone);

    // Whether a trace runs; only of a writable table.
    [[nodiscard]] bp_trace_lease& lease() { return table_->lease; }

  private:
    explicit Table(Mapped<bp_table> table) : table_(std::move(table)) {}
    [[nodiscard]] const bp_table_side& active() const;
    Mapped<bp_table> table_;
};

// One side as `rules` (with ids) make it; the pure part of replace().
Result<std::unique_ptr<bp_table_side>> build_side(const std::vector<InstalledRule>& rules,
                                                  SlotBitsOf bits);
// The pure part of find(): rules_find() of bpf/lib/rules.h.
std::uint16_t find_in_side(const bp_table_side& side, const ArrivingPacket& packet);

} // namespace bpfport
