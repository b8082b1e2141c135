// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What `bpfport top` shows, as lines of text: which columns fit, which rows, in which order. Pure;
// top.cpp puts it on the terminal.
#pragma once

#include <string>
#include <vector>

#include "stats/rates.hpp"

namespace bpfport {

class TopView {
  public:
    // What the user does. All stay within what there is.
    void sort_by_next();
    void sort_by_previous();
    void reverse() { reversed_ = !reversed_; }
    void scroll(int rows);

    // The header, then rows; at most `height` lines of at most `width` columns. Columns that don't
    // fit are left out, from the right; the one sorted by is marked with * in the header.
    [[nodiscard]] std::vector<std::string> lines(std::vector<RuleActivity> rules, std::size_t width,
                                                 std::size_t height);
    [[nodiscard]] std::string sorted_by() const;

  private:
    std::size_t sort_ = kDefaultSort;
    bool reversed_ = false;
    std::size_t first_row_ = 0;
    static constexpr std::size_t kDefaultSort = 3; // packets in, the busiest first
};

} // namespace bpfport
