// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ClientSet: the clients that a rule is for, by their addresses. Written behind '@' at the end of a rule,
// a '-' before what is taken out:
//     @192.0.2.0/24,2001:db8::/32    these
//     @10.0.0.0/8,-10.1.0.0/16       these, but for those
//     @-192.0.2.7                    all but this one
// A set is checked once, when it is made: every ClientSet is a valid one.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/prefix.hpp"

namespace bpfport {

class ClientSet {
  public:
    ClientSet() = default; // all clients

    // `from` empty: all but `not_from`. Refused are prefixes with bits behind their length, and those
    // that change nothing: one that excludes no client of `from`, or excludes all of one of them.
    static Result<ClientSet> make(std::vector<Prefix> from, std::vector<Prefix> not_from);

    // Both sorted, each prefix once.
    [[nodiscard]] const std::vector<Prefix>& from() const { return from_; }
    [[nodiscard]] const std::vector<Prefix>& not_from() const { return not_from_; }

    [[nodiscard]] bool has_all() const { return from_.empty() && not_from_.empty(); }
    [[nodiscard]] bool contains(const Address& client) const;
    // For some client neither set is the more specific: a rule wins by the longest prefix of `from`
    // that has the client, then a set with `not_from` only, then all clients.
    [[nodiscard]] bool ties_with(const ClientSet& other) const;

    // As it is written behind '@'; empty for all clients.
    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const ClientSet&) const = default;

  private:
    ClientSet(std::vector<Prefix> from, std::vector<Prefix> not_from)
        : from_(std::move(from)), not_from_(std::move(not_from)) {}

    std::vector<Prefix> from_, not_from_;
};

// What follows '@'.
Result<ClientSet> parse_clients(std::string_view text);

// The prefixes of a list, PREFIX[,PREFIX...]; `place` is said in errors.
Result<std::vector<Prefix>> parse_prefix_list(std::string_view place, std::string_view text);

} // namespace bpfport
