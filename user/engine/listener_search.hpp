// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Puts sockets that listened before the sklookup engine came where it finds them. No descriptor of
// theirs is needed: a tc program, run once for each in this network namespace, looks them up.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/listener.h"
#include "kernel/sock_diag.hpp"

namespace bpfport {

// A port with a socket that can't be put into the map.
struct RefusedListener {
    Protocol protocol = Protocol::kTcp;
    std::uint16_t port = 0;
    int error = 0; // the kernel's
    Address local{};
};
// "what listens there uses Multipath TCP, which can't be steered to"
std::string why_refused(const RefusedListener& refusal);

class ListenerSearch {
  public:
    // `find` is the program bp_find, `listeners` and `groups` the maps it fills. What closed sockets
    // have left in `groups` is removed.
    static Result<ListenerSearch> begin(Fd find, Fd listeners, Fd groups);

    // True: the socket is in the map. False: it can't be, or has gone.
    Result<bool> put(const Socket& socket);

    [[nodiscard]] const std::vector<RefusedListener>& refused() const { return refused_; }

  private:
    ListenerSearch(Fd find, Fd listeners)
        : find_(std::move(find)), listeners_(std::move(listeners)) {}
    Result<void> ask(bp_find& question, unsigned ifindex) const;
    [[nodiscard]] std::uint64_t cookie(const bp_listener_key& key) const; // 0: none
    bool keep(const bp_find& answer);
    [[nodiscard]] bool lives(bp_listener_key group, std::uint32_t end) const;
    void sweep_groups(const Fd& groups) const;

    Fd find_;
    Fd listeners_;
    std::set<std::uint64_t> known_; // cookies of those in the map
    std::vector<RefusedListener> refused_;
};

} // namespace bpfport
