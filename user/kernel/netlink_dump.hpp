// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One netlink request: send it, gather every message of the answer. Callers parse the bytes with
// pure functions, so that the parsers can be tested and fuzzed without a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

#include "base/error.hpp"

namespace bpfport {

// `request` gets NLM_F_REQUEST | NLM_F_DUMP. A dump that the kernel marks as inconsistent
// (something changed meanwhile) is asked for again. `what` names it in errors: "list interfaces".
// kStrict: the kernel heeds all of the request's header, where it can, and not the family alone.
enum class Check { kLoose, kStrict };
Result<std::vector<std::byte>> netlink_dump(int bus, nlmsghdr* request, std::string_view what,
                                            Check check = Check::kLoose);

// One object: `request` gets NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO. What is not there is the
// kernel's error.
Result<std::vector<std::byte>> netlink_get(int bus, nlmsghdr* request, std::string_view what);

// Calls back for each well-formed message. `messages` is 4-byte aligned.
void for_each_message(std::span<const std::byte> messages,
                      const std::function<void(const nlmsghdr*)>& visit);

// The part of a message behind its family header of `header_size` bytes: attributes.
std::span<const std::byte> attributes_of(const nlmsghdr* message, std::size_t header_size);

// Calls back with type (less the flags in it) and payload of each well-formed attribute, those of a
// nested one included: pass its payload. Never reads past the span, unlike libmnl, which rounds up.
using AttributeVisitor = std::function<void(std::uint16_t, std::span<const std::byte>)>;
void for_each_attribute(std::span<const std::byte> attributes, const AttributeVisitor& visit);

// A payload as a number or struct; nullopt when it is too short to be one.
template <typename T> std::optional<T> value_of(std::span<const std::byte> payload) {
    T value;
    if (payload.size() < sizeof value) return std::nullopt;
    std::memcpy(&value, payload.data(), sizeof value);
    return value;
}

} // namespace bpfport
