// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The edge where names from outside become our words. Processes, cgroups and devices may be called
// anything: bytes that are no UTF-8, a newline that would forge a line, a sequence that a terminal obeys.
#pragma once

#include <string>
#include <string_view>

namespace bpfport {

// As it is where it can be printed on one line; every other byte as \xNN. What comes out is UTF-8
// without control characters, direction marks or line separators.
std::string printable(std::string_view text);

// The text of JSON, whatever its strings hold: bytes that are no UTF-8 become U+FFFD.
template <typename Json> std::string json_text(const Json& json, int indent = -1) {
    return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

} // namespace bpfport
