// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "facts/scope_interfaces.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

namespace {

std::unexpected<Error> none(const Scope& scope, const std::vector<Interface>& interfaces) {
    std::vector<std::string> names;
    for (const auto& interface : interfaces) names.push_back(interface.name);
    if (scope.kind() == Scope::Kind::kPattern)
        return failure(
            fmt::format("no interface of this network namespace matches {}", scope.name()),
            fmt::format("there are: {} (lo is served when it is named)", fmt::join(names, " ")));
    return failure(fmt::format("no interface {} in this network namespace", scope.name()),
                   suggest_name(scope.name(), names));
}

} // namespace

Result<std::vector<unsigned>> scope_interfaces(const std::vector<Scope>& scopes,
                                               const std::vector<Interface>& interfaces) {
    std::vector<unsigned> indexes;
    auto add = [&](unsigned ifindex) {
        if (std::ranges::find(indexes, ifindex) == indexes.end()) indexes.push_back(ifindex);
    };
    for (const auto& scope : scopes) {
        bool found = scope.kind() == Scope::Kind::kAny;
        if (found) add(0);
        for (const auto& interface : interfaces)
            if (scope.matches(interface.name)) {
                add(interface.ifindex);
                found = true;
            }
        if (!found) return none(scope, interfaces);
    }
    return indexes;
}

} // namespace bpfport
