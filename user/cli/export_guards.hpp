// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which rules the guards of a network namespace are for, as an entry's `owner` and `reserve` say it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/host_policy.hpp"
#include "engine/guard.hpp"

namespace bpfport {

class ExportGuards {
  public:
    ExportGuards(const Store& store, std::uint64_t netns_cookie);

    // Sets both options. Text: what of the rule's guards they can't say; empty: nothing.
    std::string describe(const Rule& rule, EntryOptions& options) const;

  private:
    // Of the ports: one owner for all, or nullopt; `some`: a port has a guard.
    [[nodiscard]] std::optional<std::string> common(PortRange ports, Protocol protocol, bool listen,
                                                    bool& some) const;

    // By port, and whether it is a listen port: the owner's name.
    std::map<std::tuple<Protocol, unsigned, bool>, std::string> owners_;
};

} // namespace bpfport
