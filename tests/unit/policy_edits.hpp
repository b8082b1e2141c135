// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of --save share: edits written as commands, and the text that an edit makes.
#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "cli/command.hpp"
#include "config/policy_edit.hpp"
#include "engine/choice.hpp"

namespace bpfport {

// "eth0 80:3000": as on the command line; grants as "80".
inline PolicyEdit make_edit(PolicyEdit::Kind kind, const std::vector<std::string>& words,
                            const EntryOptions& options = {}) {
    PolicyEdit edit{kind, PolicyEdit::Of::kRules, {}, {}, options};
    std::vector<std::string> others;
    for (const auto& word : words)
        if (auto grants = parse_grants(word)) {
            edit.of = PolicyEdit::Of::kGrants;
            edit.items.insert(edit.items.end(), grants->begin(), grants->end());
        } else {
            others.push_back(word);
        }
    auto split = split_words(others);
    EXPECT_TRUE(split) << fmt::format("{}", fmt::join(words, " "));
    edit.scopes = split->scopes;
    edit.items.insert(edit.items.end(), split->rules.begin(), split->rules.end());
    edit.items.insert(edit.items.end(), split->autos.begin(), split->autos.end());
    return edit;
}

inline Result<std::string> edited_text(const std::string& text, const PolicyEdit& edit) {
    auto files = edit_policy({{"policy.toml", text}}, 0, edit, engine_choices());
    if (!files) return std::unexpected(files.error());
    return files->front().text;
}

} // namespace bpfport
