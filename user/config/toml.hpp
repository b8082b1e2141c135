// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// TomlValue: a TOML document as values that know where they are written. toml++ reads it; only toml.cpp
// includes that, because its headers take longer to compile than a layer.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/source_place.hpp"

namespace bpfport {

struct TomlKey;

struct TomlValue {
    enum class Kind : std::uint8_t { kText, kInteger, kFlag, kList, kTable, kOther };

    Kind kind = Kind::kOther; // of a number with a fraction, a date or a time
    SourcePlace place;
    SourcePlace
        end; // behind its last character; of a [table] or a [[table]], behind that line's ']'
    std::string text;
    std::int64_t integer = 0;
    bool flag = false;
    std::vector<TomlValue> items; // of a list
    std::vector<TomlKey> keys;    // of a table, in the order in which they are written

    [[nodiscard]] std::string_view kind_name() const; // "a text", "a list"
};

struct TomlKey {
    std::string name;
    SourcePlace place;
    TomlValue value;
};

// The table that the document is. TOML's own rules end at the first mistake.
std::expected<TomlValue, SourceError> parse_toml(const std::string& file, std::string_view text);

} // namespace bpfport
