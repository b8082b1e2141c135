// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_line.hpp"

#include <algorithm>
#include <array>
#include <ostream>

#include <fmt/ostream.h>

namespace bpfport {

namespace {

using What = ApplyLine::What;

struct Wording {
    What what;
    const char* done;
    const char* planned; // --dry-run
    const char* counted;
};
constexpr std::array kWordings{
    Wording{What::kAdded, "added", "to add", "added"},
    Wording{What::kChanged, "changed", "to change", "changed"},
    Wording{What::kRemoved, "removed", "to remove", "removed"},
    Wording{What::kRepaired, "repaired", "to repair", "repaired"},
    Wording{What::kSame, "same", "same", "the same"},
    Wording{What::kLeft, "left", "left", "left, which no file has (--prune removes them)"},
};

} // namespace

void print_lines(std::ostream& out, const ApplyLines& lines, const ApplyWords& words) {
    constexpr std::size_t kSameShown = 20;
    std::string counts;
    for (const auto& wording : kWordings) {
        const auto count =
            static_cast<std::size_t>(std::ranges::count(lines, wording.what, &ApplyLine::what));
        const bool is_same = wording.what == What::kSame;
        if (count && (!is_same || count <= kSameShown))
            for (const auto& line : lines)
                if (line.what == wording.what)
                    fmt::print(out, "{}: {}\n", words.dry_run ? wording.planned : wording.done,
                               line.text);
        if (count || is_same)
            counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count,
                                  words.dry_run && !is_same && wording.what != What::kLeft
                                      ? wording.planned
                                      : wording.counted);
    }
    if (words.skipped) counts += fmt::format(", {} skipped", words.skipped);
    fmt::print(out, "{}\n", counts);
    if (words.dry_run) fmt::print(out, "nothing was changed (--dry-run)\n");
}

std::string apply_word(What what) {
    return std::ranges::find(kWordings, what, &Wording::what)->done;
}

bool has_changes(const ApplyLines& lines) {
    return std::ranges::any_of(lines, [](const ApplyLine& line) {
        return line.what != What::kSame && line.what != What::kLeft;
    });
}

} // namespace bpfport
