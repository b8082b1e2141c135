// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/table.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace bpfport {

std::string TextTable::to_string() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); i++)
            line += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i]) : row[i];
        text += line + "\n";
    }
    return text;
}

std::string human_bytes(std::uint64_t bytes) {
    constexpr const char* kUnits = "BKMGTPE";
    double value = static_cast<double>(bytes);
    int unit = 0;
    for (; value >= 1024 && unit < 6; unit++) value /= 1024;
    return unit == 0 ? fmt::format("{}B", bytes)
                     : fmt::format("{:.{}f}{}", value, value < 10 ? 1 : 0, kUnits[unit]);
}

} // namespace bpfport
