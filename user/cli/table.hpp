// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A plain text table with columns as wide as they need to be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bpfport {

class TextTable {
  public:
    explicit TextTable(std::vector<std::string> header) { add(std::move(header)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] std::size_t rows() const { return rows_.size() - 1; }
    [[nodiscard]] std::string to_string() const; // a line each, two spaces between columns

  private:
    std::vector<std::vector<std::string>> rows_;
};

std::string human_bytes(std::uint64_t bytes); // 512B, 4.0K, 12M

} // namespace bpfport
