// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Puts sockets that listened before the sklookup engine came where it finds them. No descriptor of
// theirs is needed: a tc program, run once for each in this network namespace, looks them up.
#pragma once

#include <cstdint>
#include <set>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/listener.h"
#include "kernel/sock_diag.hpp"

namespace bpfport {

class ListenerSearch {
  public:
    // `find` is the program bp_find, `listeners` the map it fills.
    static Result<ListenerSearch> begin(Fd find, Fd listeners);

    // True: the socket is in the map. False: it can't be, or has gone.
    Result<bool> put(const Socket& socket);

    // A socket that can't be steered to was met on the port.
    [[nodiscard]] bool refused(std::uint16_t port) const { return refused_.contains(port); }
    [[nodiscard]] const std::set<std::uint16_t>& refused() const { return refused_; }

  private:
    ListenerSearch(Fd find, Fd listeners)
        : find_(std::move(find)), listeners_(std::move(listeners)) {}
    Result<void> ask(bp_find& question, unsigned ifindex) const;
    [[nodiscard]] std::uint64_t cookie(const bp_listener_key& key) const; // 0: none
    bool keep(const bp_find& answer);

    Fd find_;
    Fd listeners_;
    std::set<std::uint64_t> known_; // cookies of those in the map
    std::set<std::uint16_t> refused_;
};

} // namespace bpfport
