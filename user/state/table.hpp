// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Table: the rule table in kernel memory (bpfport/table.h), read back as rules and replaced as a
// whole. The programs see either the old set of rules or the new one, never a mixture, whatever
// happens to this process.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/table.h"
#include "kernel/map.hpp"
#include "rule/rule.hpp"
#include "state/table_side.hpp"

namespace bpfport {

// A packet as far as the choice of its rule goes.
struct ArrivingPacket {
    Protocol protocol = Protocol::kTcp;
    std::uint16_t port = 0; // its destination
    Address local;
    unsigned ifindex = 0; // by which it arrives
    unsigned owner = 0; // on lo: the interface whose rules clients of `local` take; 0: those of all
    Address peer{};     // its source
    std::uint16_t peer_port = 0;
};

// What the maps of a table have room for: ids from 0 on, and spans of a side. Powers of two.
struct TableCapacity {
    std::uint32_t rules = BP_MIN_RULES;
    std::uint32_t spans = BP_MIN_SPANS;

    [[nodiscard]] bool covers(const TableCapacity& other) const {
        return rules >= other.rules && spans >= other.spans;
    }
};

// What is to be written for a set of rules, which all have an id. Nothing of it depends on the maps, so that
// they can be made large enough before.
struct TableChange {
    TableSide side;
    TableCapacity capacity; // of the table that it is written to, at least
    std::vector<std::uint16_t> new_ids;
    std::uint32_t last_id = 0; // bp_table.last_id
};

struct TableMaps {
    Fd table, rules, spans;
    TableCapacity capacity;

    // Asks the maps for the capacity.
    static Result<TableMaps> of(Fd table, Fd rules, Fd spans);
};

class Table {
  public:
    // Maps the table into this process. `writable` needs writable descriptors.
    static Result<Table> open(const TableMaps& maps, bool writable);

    [[nodiscard]] const TableCapacity& capacity() const { return capacity_; }
    [[nodiscard]] std::vector<RuleSpec> rules() const;
    // Whether some rule waits for the end of connections: it drains, or has an older target or engine.
    [[nodiscard]] bool any_waits() const;

    // The id of the rule that the first packet of a flow takes, as the programs find it (rules_find()
    // and rule_is_for() of bpf/lib/rules.h); 0: none covers it.
    [[nodiscard]] std::uint16_t find(const ArrivingPacket& packet) const;

    // The change from the rules in force to these. Rules keep their ids, and with them their counters; each
    // that has none is given the id that has been free longest. Writes nothing. An error: no table is large
    // enough.
    Result<TableChange> plan(std::vector<RuleSpec>& rules, SlotBitsOf bits) const;
    // The same where there is no table yet. Its capacity is at least `least`.
    static Result<TableChange> plan_first(const TableCapacity& least, std::vector<RuleSpec>& rules,
                                          SlotBitsOf bits);
    // Writes the side not in use and flips. An error, and nothing has changed: the table has not the capacity.
    Result<void> commit(const TableChange& change);

    // Writes rules and spans of both sides into the maps of a larger table, which are new.
    void copy_to(Table& larger) const;

    // enum bp_fallback: a listener that can't be steered to was seen on this TCP target port.
    [[nodiscard]] std::uint8_t fallback(std::uint16_t target_port) const;
    // Forgets that for the ports of `gone`. One that begins to listen meanwhile may be forgotten
    // with them: look again afterwards.
    void clear_fallback(const std::set<std::uint16_t>& gone);

    // Whether a trace runs; only of a writable table.
    [[nodiscard]] bp_trace_lease& lease() { return table_->lease; }

  private:
    Table(TableCapacity capacity, Mapped<bp_table> table, MappedArray<bp_rule> rules,
          MappedArray<bp_span> spans)
        : capacity_(capacity), table_(std::move(table)), rules_(std::move(rules)),
          spans_(std::move(spans)) {}
    [[nodiscard]] unsigned side() const; // in force
    [[nodiscard]] const bp_rule& rule(unsigned side, std::uint32_t id) const {
        return rules_[BP_RULE_INDEX(side, id)];
    }
    // Calls visit(id, raw) for each rule of the side.
    void each_raw(unsigned side, const auto& visit) const {
        for (std::uint32_t id = 1; id < capacity_.rules; id++)
            if (const bp_rule& raw = rule(side, id); raw.listen_first) visit(id, raw);
    }
    [[nodiscard]] const bp_span* spans(unsigned side) const {
        return &spans_[BP_SPAN_INDEX(side, capacity_.spans, 0)];
    }
    [[nodiscard]] std::uint32_t search(unsigned side, std::uint32_t entry,
                                       const ArrivingPacket& packet) const;
    // Of a rule that is the only one of its port and has no local address.
    [[nodiscard]] bool covers(unsigned side, const bp_rule& only,
                              const ArrivingPacket& packet) const;
    void write(unsigned side, const TableSide& content);

    TableCapacity capacity_;
    Mapped<bp_table> table_;
    MappedArray<bp_rule> rules_;
    MappedArray<bp_span> spans_;
};

} // namespace bpfport
