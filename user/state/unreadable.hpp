// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Entries of the store that this version can't read: another version, newer or older, made them. What
// they hold may be in force, so they are kept and reported; detach --all takes them away.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/store.hpp"

namespace bpfport {

// Of interfaces, network namespaces, sklookup and cgroups, sorted.
std::vector<std::string> unreadable(const Store& store);
// An error when one of them is of this network namespace: what is made without knowing it would be
// wrong.
Result<void> refuse_unreadable(const Store& store, std::uint64_t netns);

// Takes off the clsact filters of such an interface: those with our handle that run a program of ours.
Result<void> detach_unread(const TcName& name);
// The same of every interface of the current network namespace: such filters stay when the bpffs with
// their pins is unmounted.
Result<void> detach_left_behind();

// How clsact knows our filters, in every version.
inline constexpr std::uint32_t kClsactHandle = 0xb9f;
inline constexpr std::uint32_t kClsactFirst = 1;
inline constexpr std::uint32_t kClsactLast = 0xfffe; // others' are numbered downwards from here

} // namespace bpfport
