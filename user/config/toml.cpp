// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/toml.hpp"

#include <algorithm>
#include <tuple>

// toml++ 3.3 asserts what "[[?" disproves, and reports that mistake just as well without: found by
// fuzz_policy. With NDEBUG, clang would optimize by the same assertion.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace bpfport {

namespace {

SourcePlace place_of(const std::string& file, const toml::source_region& source) {
    return {file, source.begin.line, source.begin.column};
}

TomlValue value_of(const std::string& file, const toml::node& node) {
    TomlValue value;
    value.place = place_of(file, node.source());
    if (const auto* text = node.as_string()) {
        value.kind = TomlValue::Kind::kText;
        value.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        value.kind = TomlValue::Kind::kInteger;
        value.integer = integer->get();
    } else if (const auto* flag = node.as_boolean()) {
        value.kind = TomlValue::Kind::kFlag;
        value.flag = flag->get();
    } else if (const auto* list = node.as_array()) {
        value.kind = TomlValue::Kind::kList;
        for (const auto& item : *list) value.items.push_back(value_of(file, item));
    } else if (const auto* table = node.as_table()) {
        value.kind = TomlValue::Kind::kTable;
        for (const auto& [key, item] : *table)
            value.keys.push_back(
                {std::string(key.str()), place_of(file, key.source()), value_of(file, item)});
        std::ranges::stable_sort(value.keys, {}, [](const TomlKey& key) {
            return std::tuple(key.place.line, key.place.column);
        });
    }
    return value;
}

} // namespace

std::string_view TomlValue::kind_name() const {
    switch (kind) {
    case Kind::kText:
        return "a text";
    case Kind::kInteger:
        return "an integer";
    case Kind::kFlag:
        return "true or false";
    case Kind::kList:
        return "a list";
    case Kind::kTable:
        return "a table";
    case Kind::kOther:
        break;
    }
    return "a number with a fraction, a date or a time";
}

std::expected<TomlValue, SourceError> parse_toml(const std::string& file, std::string_view text) {
    const toml::parse_result result = toml::parse(text);
    if (!result)
        return std::unexpected(SourceError{place_of(file, result.error().source()),
                                           std::string(result.error().description()),
                                           "this is not TOML (https://toml.io); the rest of the "
                                           "file was not read"});
    return value_of(file, result.table());
}

} // namespace bpfport
