// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/toml_edit.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

namespace {

constexpr auto npos = std::string_view::npos;

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool ends_line(std::string_view text, std::size_t at) {
    return at >= text.size() || text[at] == '\n' || text[at] == '\r';
}

} // namespace

TomlEdit::TomlEdit(std::string_view text) : text_(text) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    lines_.push_back(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
    for (std::size_t at = 0; at < text.size(); at++)
        if (text[at] == '\n') lines_.push_back(at + 1);
}

// Columns count characters, not bytes.
std::size_t TomlEdit::offset(const SourcePlace& place) const {
    if (place.line == 0 || place.line > lines_.size()) return text_.size();
    auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; };
    std::size_t at = lines_[place.line - 1];
    for (unsigned column = 1; at < text_.size(); at++) {
        if (!is_first_byte(text_[at])) continue;
        if (column++ == place.column) return at;
    }
    return text_.size();
}

TomlEdit::Extent TomlEdit::extent(const TomlValue& value) const {
    return {offset(value.place), offset(value.end)};
}

std::size_t TomlEdit::line_begin(std::size_t at) const {
    return *std::prev(std::ranges::upper_bound(lines_, at));
}

std::size_t TomlEdit::line_end(std::size_t at) const {
    auto next = std::ranges::upper_bound(lines_, at);
    return next == lines_.end() ? text_.size() : *next;
}

std::size_t TomlEdit::skip_blanks(std::size_t at) const {
    while (at < text_.size() && is_blank(text_[at])) at++;
    return at;
}

// Between two values of a list there are blanks, newlines, comments and one comma.
std::size_t TomlEdit::comma_after(std::size_t at) const {
    while (at < text_.size()) {
        if (text_[at] == ',') return at;
        if (text_[at] == '#')
            at = line_end(at);
        else if (is_blank(text_[at]) || ends_line(text_, at))
            at++;
        else
            return npos;
    }
    return npos;
}

bool TomlEdit::has_lines_alone(Extent item) const {
    if (skip_blanks(line_begin(item.begin)) != item.begin) return false;
    std::size_t at = skip_blanks(item.end);
    if (at < text_.size() && text_[at] == ',') at = skip_blanks(at + 1);
    return ends_line(text_, at) || text_[at] == '#';
}

bool TomlEdit::is_inline(const TomlValue& table) const {
    const auto at = offset(table.place);
    return at < text_.size() && text_[at] == '{';
}

void TomlEdit::splice(std::size_t begin, std::size_t end, std::string text) {
    splices_.push_back({begin, end, std::move(text)});
}

void TomlEdit::replace(const TomlValue& value, std::string text) {
    const auto [begin, end] = extent(value);
    splice(begin, end, std::move(text));
}

// One of the values of a list, or of the keys of an inline table.
void TomlEdit::erase_element(Extent item, const Extent* before) {
    const auto comma = comma_after(item.end);
    if (has_lines_alone(item) && (comma == npos || comma < line_end(item.end)))
        return splice(line_begin(item.begin), line_end(item.end), {});
    const bool follows =
        before && text_.substr(before->end, item.begin - before->end).find('\n') == npos;
    const auto next = comma == npos ? npos : skip_blanks(comma + 1);
    const bool is_last = comma == npos || (next < text_.size() && text_[next] == ']');
    if (is_last && follows) return splice(before->end, item.end, {});
    if (is_last) return splice(item.begin, comma == npos ? item.end : comma + 1, {});
    if (!ends_line(text_, next) && text_[next] != '#') return splice(item.begin, next, {});
    std::size_t begin = item.begin;
    while (begin > 0 && is_blank(text_[begin - 1])) begin--;
    splice(begin, comma + 1, {});
}

void TomlEdit::erase_items(const TomlValue& list, const std::vector<std::size_t>& indexes) {
    std::optional<Extent> before;
    for (std::size_t index = 0; index < list.items.size(); index++) {
        const Extent item = extent(list.items[index]);
        if (std::ranges::find(indexes, index) == indexes.end())
            before = item;
        else
            erase_element(item, before ? &*before : nullptr);
    }
}

void TomlEdit::append_items(const TomlValue& list, const std::vector<std::string>& items) {
    if (list.kind != TomlValue::Kind::kList) {
        const auto [begin, end] = extent(list);
        splice(begin, begin, "[");
        return splice(end, end, fmt::format(", {}]", fmt::join(items, ", ")));
    }
    const Extent last = extent(list.items.back());
    if (!has_lines_alone(last))
        return splice(last.end, last.end, fmt::format(", {}", fmt::join(items, ", ")));
    const auto begin = line_begin(last.begin), end = line_end(last.end);
    const auto indent = text_.substr(begin, last.begin - begin);
    if (comma_after(last.end) == npos) splice(last.end, last.end, ",");
    std::string lines;
    for (const auto& item : items) lines += fmt::format("{}{},\n", indent, item);
    splice(end, end, with_newlines(std::move(lines)));
}

void TomlEdit::erase_key(const TomlValue& table, const TomlKey& key) {
    if (!is_inline(table))
        return splice(line_begin(offset(key.place)), line_end(offset(key.value.end)), {});
    std::optional<Extent> before;
    for (const auto& other : table.keys) {
        const Extent one{offset(other.place), offset(other.value.end)};
        if (&other == &key) return erase_element(one, before ? &*before : nullptr);
        before = one;
    }
}

void TomlEdit::erase_table(const TomlValue& table) {
    const auto begin = line_begin(offset(table.place));
    auto last = offset(table.end);
    for (const auto& key : table.keys) last = std::max(last, offset(key.value.end));
    auto end = line_end(last);
    // Of the empty lines around it one is enough.
    const auto before = text_.substr(0, begin);
    if (before.empty() || before.ends_with("\n\n") || before.ends_with("\n\r\n"))
        while (end < text_.size() && ends_line(text_, skip_blanks(end))) end = line_end(end);
    splice(begin, end, {});
    has_erased_table_ = true;
}

void TomlEdit::append_lines(std::string lines) {
    std::string_view gap = "\n";
    if (text_.empty() || text_.ends_with("\n\n") || text_.ends_with("\n\r\n"))
        gap = "";
    else if (!text_.ends_with('\n'))
        gap = "\n\n";
    splice(text_.size(), text_.size(), with_newlines(fmt::format("{}{}", gap, lines)));
}

// As the document has them.
std::string TomlEdit::with_newlines(std::string lines) const {
    const auto first = text_.find('\n');
    if (first == npos || first == 0 || text_[first - 1] != '\r') return lines;
    std::string result;
    for (char c : lines) result += c == '\n' ? std::string("\r\n") : std::string(1, c);
    return result;
}

std::string TomlEdit::text() const {
    auto splices = splices_;
    std::ranges::stable_sort(splices, {}, &Splice::begin);
    std::string result;
    std::size_t done = 0;
    for (const auto& [begin, end, text] : splices) { // removals may overlap
        if (begin > done) result += text_.substr(done, begin - done);
        result += text;
        done = std::max(done, end);
    }
    result += text_.substr(std::min(done, text_.size()));
    // The line between a table that was the last and those before it.
    if (has_erased_table_ && !text_.ends_with("\n\n") && !text_.ends_with("\n\r\n"))
        while (result.ends_with("\n\n") || result.ends_with("\n\r\n"))
            result.resize(result.size() - (result.ends_with("\n\n") ? 1 : 2));
    return result;
}

} // namespace bpfport
