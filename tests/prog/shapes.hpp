// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Every shape that frames come in, and what must become of each.
#pragma once

#include <functional>
#include <span>

#include "prog/programs.hpp"

namespace bpfport::test {

using Build = std::function<Bytes(const Ends&)>;

enum class Fate {
    kTranslated,
    kUntouched,
    kTagged,    // translated with --vlan only
    kMalformed, // untouched, and counted as malformed
};
enum class For { kAll, kIpv4, kIpv6, kTcp, kUdp };

struct Shape {
    const char* name;
    For which;
    Fate fate;
    Build build;
};

inline Bytes frame(const Packet& packet) { return (Lab::ethernet() / packet).build(); }

inline Packet whole(const Ends& e, const Packet& before_l4 = {}, std::size_t payload = 33) {
    return ip(e) / before_l4 / l4(e) / Payload(payload);
}

std::span<const Shape> shapes();

// Whether the shape exists for the family and protocol of these ends.
bool applies(const Shape& shape, const Ends& e);

} // namespace bpfport::test
