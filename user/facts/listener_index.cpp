// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "facts/listener_index.hpp"

#include <algorithm>
#include <utility>

namespace bpfport {

namespace {

std::pair<Protocol, std::uint16_t> place_of(const Listener* listener) {
    return {listener->socket.protocol, listener->socket.local_port};
}

} // namespace

ListenerIndex::ListenerIndex(const std::vector<Listener>& listeners) {
    sorted_.reserve(listeners.size());
    for (const auto& listener : listeners) sorted_.push_back(&listener);
    std::ranges::stable_sort(sorted_, {}, place_of);
}

std::span<const Listener* const> ListenerIndex::on(Protocol protocol, PortRange ports) const {
    auto first = std::ranges::lower_bound(sorted_, std::pair(protocol, ports.first), {}, place_of);
    auto end = std::ranges::upper_bound(sorted_, std::pair(protocol, ports.last), {}, place_of);
    return {first, end};
}

} // namespace bpfport
