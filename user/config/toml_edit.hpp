// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// TomlEdit: changes to the text of a TOML document that leave all the rest of it as it is, comments and
// layout included. The values are those that parse_toml() read from the same text.
//
// What is removed takes the comment on its own line along, and the lines that it had for itself. Comments
// on other lines stay.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml.hpp"

namespace bpfport {

class TomlEdit {
  public:
    explicit TomlEdit(std::string_view text);

    // Whether it is written in braces, and not below a [header].
    [[nodiscard]] bool is_inline(const TomlValue& table) const;

    void replace(const TomlValue& value, std::string text);
    // Not all of them.
    void erase_items(const TomlValue& list, const std::vector<std::size_t>& indexes);
    // To a list that is not empty, or to the one value that is written in the place of a list.
    void append_items(const TomlValue& list, const std::vector<std::string>& items);
    // Not the only key of an inline table.
    void erase_key(const TomlValue& table, const TomlKey& key);
    // A [[table]] with its keys.
    void erase_table(const TomlValue& table);
    // At the end of the document, as lines of their own with an empty one before them.
    void append_lines(std::string lines);

    // The text with all of that.
    [[nodiscard]] std::string text() const;

  private:
    struct Splice {
        std::size_t begin, end;
        std::string text;
    };
    struct Extent {
        std::size_t begin, end;
    };

    [[nodiscard]] std::size_t offset(const SourcePlace& place) const;
    [[nodiscard]] Extent extent(const TomlValue& value) const;
    [[nodiscard]] std::size_t line_begin(std::size_t at) const;
    [[nodiscard]] std::size_t line_end(std::size_t at) const; // behind its newline
    [[nodiscard]] std::size_t skip_blanks(std::size_t at) const;
    [[nodiscard]] std::size_t comma_after(std::size_t at) const; // npos: none before another value
    [[nodiscard]] bool has_lines_alone(Extent item) const;
    // `before`: the nearest element before it that stays; nullptr: none.
    void erase_element(Extent item, const Extent* before);
    void splice(std::size_t begin, std::size_t end, std::string text);
    [[nodiscard]] std::string with_newlines(std::string lines) const;

    std::string_view text_;
    std::vector<std::size_t> lines_; // where each begins
    std::vector<Splice> splices_;
    bool has_erased_table_ = false;
};

} // namespace bpfport
