// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ListenerIndex: the host's listeners by protocol and port, for those who look for the listeners of
// many rules. It points to the elements of the list, which may be moved but not changed.
#pragma once

#include <span>
#include <vector>

#include "facts/host_facts.hpp"

namespace bpfport {

class ListenerIndex {
  public:
    ListenerIndex() = default;
    explicit ListenerIndex(const std::vector<Listener>& listeners);

    // By port, those of one port in the order of the list.
    [[nodiscard]] std::span<const Listener* const> on(Protocol protocol, PortRange ports) const;

  private:
    std::vector<const Listener*> sorted_;
};

} // namespace bpfport
