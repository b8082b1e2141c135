// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Metric families as they pass between the exporter's two processes (CBOR).
#include "fuzz.hpp"
#include "stats/family_channel.hpp"

namespace bpfport {

void fuzz(Bytes input) {
    auto families = decode(std::string(text_of(input)));
    if (!families) {
        require(!families.error().message.empty(), "an error has a message");
        return;
    }
    auto bytes = encode(*families);
    auto again = decode(bytes);
    require(again && encode(*again) == bytes, "families are read back");
}

} // namespace bpfport
