// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/source_place.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace bpfport {

std::string SourcePlace::to_string() const {
    return line ? fmt::format("{}:{}:{}", file, line, column) : file;
}

std::string SourceError::to_string() const {
    const std::string after = hint.empty() ? "" : fmt::format("    {}\n", printable(hint));
    return fmt::format("{}: {}\n{}", printable(place.to_string()), printable(message), after);
}

} // namespace bpfport
