// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/top_view.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cli/table.hpp"

namespace bpfport {

namespace {

std::string count_text(double value) {
    if (value < 100000) return fmt::format("{:.0f}", value);
    if (value < 1e7) return fmt::format("{:.0f}k", value / 1e3);
    return fmt::format("{:.0f}M", value / 1e6);
}

std::string bytes_text(double value) { return human_bytes(static_cast<std::uint64_t>(value)); }

// A column is text or a number; what is unknown is "-" and sorts last.
struct Column {
    const char* name;
    std::size_t width;
    std::string (*text)(const RuleActivity&);             // of a text column, else null
    std::optional<double> (*number)(const RuleActivity&); // of a number column
    std::string (*form)(double);
};

template <typename T> std::optional<double> as_number(const std::optional<T>& value) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

std::string target(const RuleActivity& rule) {
    if (!rule.in_force) return "NOT-IN-FORCE";
    if (!rule.counts.target_up) return "-";
    return *rule.counts.target_up ? "up" : "DOWN";
}

using R = const RuleActivity&;
constexpr std::array kColumns = {
    Column{"SCOPE", 10, [](R r) { return r.scope; }, nullptr, nullptr},
    Column{"RULE", 18, [](R r) { return r.rule; }, nullptr, nullptr},
    Column{"ENGINE", 8, [](R r) { return r.engine; }, nullptr, nullptr},
    Column{"PKT-IN/s", 9, nullptr, [](R r) { return r.rates.packets_in; }, count_text},
    Column{"PKT-OUT/s", 10, nullptr, [](R r) { return r.rates.packets_out; }, count_text},
    Column{"CONN/s", 8, nullptr, [](R r) { return r.rates.connections; }, count_text},
    Column{"OPEN", 7, nullptr, [](R r) { return as_number(r.counts.open); }, count_text},
    Column{"TARGET", 12, target, nullptr, nullptr},
    Column{"IN/s", 8, nullptr, [](R r) { return r.rates.bytes_in; }, bytes_text},
    Column{"OUT/s", 8, nullptr, [](R r) { return r.rates.bytes_out; }, bytes_text},
    Column{"CONNS", 9, nullptr, [](R r) { return as_number(r.counts.connections); }, count_text},
};

std::string cell(const Column& column, const RuleActivity& rule) {
    if (column.text) return column.text(rule);
    auto value = column.number(rule);
    return value ? column.form(*value) : "-";
}

// Text left, numbers right; cut to the column.
std::string padded(const Column& column, std::string text) {
    if (text.size() > column.width) text = text.substr(0, column.width - 1) + "+";
    return column.text ? fmt::format("{:<{}}", text, column.width)
                       : fmt::format("{:>{}}", text, column.width);
}

std::size_t columns_that_fit(std::size_t width) {
    std::size_t used = 0, count = 0;
    for (const auto& column : kColumns) {
        used += column.width + (count ? 1 : 0);
        if (used > width) break;
        count++;
    }
    return std::max<std::size_t>(count, 1);
}

template <typename Cell> std::string line(std::size_t columns, std::size_t width, Cell cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns; i++) {
        if (i) text += ' ';
        text += padded(kColumns[i], cell_of(i));
    }
    return text.substr(0, width);
}

// Numbers from high to low, text from A to Z.
void sort_rules(std::vector<RuleActivity>& rules, const Column& column, bool reversed) {
    auto before = [&](R left, R right) {
        if (column.text) return column.text(left) < column.text(right);
        return column.number(left).value_or(-1) > column.number(right).value_or(-1);
    };
    std::ranges::stable_sort(rules, before);
    if (reversed) std::ranges::reverse(rules);
}

} // namespace

void TopView::sort_by_next() { sort_ = (sort_ + 1) % kColumns.size(); }

void TopView::sort_by_previous() { sort_ = (sort_ + kColumns.size() - 1) % kColumns.size(); }

void TopView::scroll(int rows) {
    auto up = static_cast<std::size_t>(-rows);
    if (rows < 0)
        first_row_ -= std::min(first_row_, up);
    else
        first_row_ += static_cast<std::size_t>(rows);
}

std::string TopView::sorted_by() const { return kColumns[sort_].name; }

std::vector<std::string> TopView::lines(std::vector<RuleActivity> rules, std::size_t width,
                                        std::size_t height) {
    if (height == 0) return {};
    sort_rules(rules, kColumns[sort_], reversed_);
    std::size_t rows = std::min(rules.size(), height - 1);
    first_row_ = std::min(first_row_, rules.size() - rows);
    std::size_t columns = columns_that_fit(width);
    std::vector<std::string> all;
    all.push_back(line(columns, width, [&](std::size_t i) {
        return std::string(kColumns[i].name) + (i == sort_ ? "*" : "");
    }));
    for (std::size_t row = first_row_; row < first_row_ + rows; row++)
        all.push_back(
            line(columns, width, [&](std::size_t i) { return cell(kColumns[i], rules[row]); }));
    return all;
}

} // namespace bpfport
