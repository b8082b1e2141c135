// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the fuzz targets share. A target is one file: it defines fuzz() and states, with require(),
// what must hold for every input. A property that fails ends the process, as a sanitizer's report
// does, and libFuzzer keeps the input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace bpfport {

using Bytes = std::span<const std::byte>;

// One input; what it points to is exactly as long as it says and aligned to 8.
void fuzz(Bytes input);

inline std::string_view text_of(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void require(bool holds, const char* property, std::string_view about = {}) {
    if (holds) return;
    std::fprintf(stderr, "property does not hold: %s: \"%.*s\"\n", property,
                 static_cast<int>(about.size()), about.data());
    std::abort();
}

// Nothing in it that would move a terminal's cursor or forge a line of a log.
inline bool is_printable(std::string_view text) {
    for (unsigned char c : text)
        if (c < ' ' || c == 0x7f) return false;
    return true;
}

// A mistake of the user's: says which, says what to write, and quotes safely.
inline void require_usage_error(const Error& error) {
    require(error.fault == Fault::kUsage, "bad input is a usage error", error.message);
    require(!error.message.empty(), "a mistake has a message");
    require(!error.hint.empty(), "a mistake has a hint", error.message);
    require(is_printable(error.message), "a message is printable", error.message);
    require(is_printable(error.hint), "a hint is printable", error.hint);
}

} // namespace bpfport
