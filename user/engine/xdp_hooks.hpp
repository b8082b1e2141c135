// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The xdp engine's part of a network namespace: XDP programs in front of the tc hooks of the
// interfaces that rules of the engine cover. tc goes on doing what XDP leaves to it, so putting a
// program there or taking it away changes how fast a packet is redirected and nothing else.
//
// Killed at any point, the next make() or remove_unneeded() brings links, meta and the list of
// interfaces that tc reads together again. It is written before a link is made, and cleared after.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "engine/contract.hpp"
#include "kernel/netlink.hpp"
#include "kernel/xdp_hook.hpp"
#include "rule/conflict.hpp"
#include "state/attachment.hpp"
#include "state/instance.hpp"

namespace bpfport {

// By ifindex, of the rules of all engines. lo and devices without an Ethernet header are left to tc.
std::map<unsigned, XdpWish> wanted_xdp(const std::vector<RuleSpec>& rules,
                                       const std::vector<Interface>& interfaces);

// The same for one rule of the engine.
void add_xdp(const RuleSpec& rule, const std::vector<Interface>& interfaces, WantedHooks& wanted);

// Why a named interface can never run XDP; none: it may.
std::optional<WhyNot> why_no_xdp(const Interface& interface);

class XdpHooks {
  public:
    XdpHooks(const Store& store, Instance& instance, const std::vector<Interface>& interfaces)
        : store_(store), instance_(instance), interfaces_(interfaces) {}

    // Makes what is missing, over tc hooks that are there. An interface that refuses is an error
    // when a rule names it, else a warning, unless no interface takes it at all.
    Result<std::vector<Warning>> make(const std::vector<RuleSpec>& rules);
    // The program of this build in every link, without a gap.
    Result<void> upgrade();
    Result<void> remove_unneeded(const std::vector<RuleSpec>& rules);

  private:
    Result<void> make(const Attachment& attachment, const Interface& interface, bp_xdp_mode mode);
    Result<void> attach(const Attachment& attachment, const Interface& interface, bp_xdp_mode mode);
    Result<void> update(const Attachment& attachment, const Interface& interface);
    Result<void> remove(const Attachment& attachment);
    Result<void> list(unsigned ifindex); // as one that runs XDP
    void unlist(unsigned ifindex);
    std::set<unsigned> listed();

    const Store& store_;
    Instance& instance_;
    const std::vector<Interface>& interfaces_;
};

} // namespace bpfport
