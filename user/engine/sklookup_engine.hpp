// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The sklookup engine of the current network namespace: its programs in place, and the sockets that
// listen on the rules' targets where they find them. NetnsRules::apply() calls it at the right moments.
//
// Sockets are put in twice: before the rules are in force, so that no client is refused, and right
// after, for those that began to listen between. From then on the kernel reports each.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "engine/listener_search.hpp"
#include "engine/plan.hpp"
#include "engine/sklookup_object.hpp"
#include "rule/conflict.hpp"
#include "state/instance.hpp"
#include "state/store.hpp"

namespace bpfport {

class SklookupEngine {
  public:
    SklookupEngine(Store& store, std::uint64_t netns) : store_(&store), netns_(netns) {}

    // Programs loaded and attached; those of another build replaced without a gap.
    Result<void> attach(const Instance& instance);

    // Has getsockname(2) of connections say what the rules want. What can't be done is a warning:
    // clients are served all the same.
    std::vector<Warning> tell_names(const std::vector<RuleSpec>& rules);

    // Looks for every socket that listens on a target of `rules` (other engines' are ignored) and
    // is not known yet. Returns those that can't be steered to.
    Result<std::vector<RefusedListener>> find_listeners(const Instance& instance,
                                                        const std::vector<RuleSpec>& rules);

    // find_listeners(), and lets tc sleep again where its listener has gone.
    Result<void> settle(Instance& instance, const std::vector<RuleSpec>& rules);

    // The programs of this build over the instance's maps of now; nothing if they don't run.
    Result<void> upgrade(const Instance& instance);

    Result<void> remove();

  private:
    Result<void> make(const Instance& instance);

    Store* store_;
    std::uint64_t netns_;
};

// Why tc serves a tcp rule's port in the place of sklookup, by what listens there.
struct Unsteerable {
    const char* word; // for a note
    const char* text; // "uses Multipath TCP, which ..."
};
Unsteerable why_unsteerable(const std::vector<Listener>& listeners);

bool is_sklookup(const RuleSpec& rule);
bool any_sklookup(const std::vector<RuleSpec>& rules);

} // namespace bpfport
