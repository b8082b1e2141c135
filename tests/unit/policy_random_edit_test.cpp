// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// --save: any layout of a policy can be edited.
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "config/policy_reader.hpp"
#include "harness/amount.hpp"
#include "unit/policy_edits.hpp"

namespace bpfport {
namespace {

// A policy in a layout that is chosen at random, and edits of it.
class RandomPolicy {
  public:
    explicit RandomPolicy(unsigned seed) : random_(seed) {}

    std::string text() {
        std::string text = one({"", "# first\n", "[defaults]\nno_local = true\n"});
        // A rule may be there once.
        std::vector<std::string> rules;
        for (unsigned port = 80; port < 88; port++) rules.push_back(fmt::format("{0}:30{0}", port));
        for (unsigned entry = 0; entry < 3; entry++) {
            text +=
                one({"", "\n", "# é, \"80:3080\"\n"}) + "[[interface]]" + one({"", " # ]"}) + "\n";
            text += fmt::format("name = {}\n", one({"\"eth0\"", "'eth1'", "[\"eth0\", \"eth1\"]",
                                                    "[ # both\n 'eth1',\n 'eth0'\n]"}));
            text += one({"", "engine = \"tc\"\n", "forwarded = true # f\nengine='tc'\n"});
            std::vector<std::string> some;
            for (unsigned count = 1 + pick(3); count && !rules.empty(); count--) {
                some.push_back(one({"\"{}\"", "'{}'", "\"{}/tcp+udp\""}));
                some.back().replace(some.back().find("{}"), 2, rules.back());
                rules.pop_back();
            }
            if (some.empty()) some.push_back(fmt::format("\"9{}:3000\"", entry));
            text += fmt::format("rules{}{}{}{}", one({"=", " = "}),
                                one({"[", "[ ", "[ # [\n", "[\n  "}),
                                fmt::join(some, one({",", ", ", ",\n  ", " , # ,\n  ", "\n,"})),
                                one({"]", ",]", "\n]", ", # last\n]", " # last\n  ]"}));
            text += one({"\n", " # rules\n", "\n\n"});
        }
        return text;
    }
    PolicyEdit edit() {
        std::vector<std::string> words{one({"eth0", "eth1"})};
        if (pick(3) == 0) words.push_back(words.front() == "eth0" ? "eth1" : "eth0");
        const bool puts = pick(2);
        for (unsigned count = puts ? 1 + pick(2) : pick(3); count; count--) {
            const unsigned port = 80 + pick(8);
            words.push_back(fmt::format("{}:{}{:02}{}", port, one({"30", "40"}), port,
                                        one({"", "/udp", "/tcp+udp"})));
        }
        EntryOptions options;
        options.engine = one({"auto", "tc"});
        return make_edit(puts ? PolicyEdit::Kind::kPut : PolicyEdit::Kind::kRemove, words, options);
    }

  private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    std::string one(const std::vector<std::string>& of) {
        return of[pick(static_cast<unsigned>(of.size()))];
    }
    std::mt19937 random_;
};

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) found++;
    return found;
}

// edit_policy() checks its own result against the meaning of the edit, so what is to be shown is that it does
// not refuse, that the second time nothing changes, and that comments above entries stay.
TEST(PolicyEdit, RandomEditsSayWhatWasMeant) {
    const unsigned seeds = test::quick_or_full(2000, 2000, 400);
    unsigned done = 0;
    for (unsigned seed = 0; seed < seeds; seed++) {
        RandomPolicy random(seed);
        const auto text = random.text();
        const auto edit = random.edit();
        PolicyReading reading;
        read_policy("policy.toml", text, engine_choices(), reading);
        ASSERT_TRUE(reading.errors.empty()) << text << reading.errors.front().to_string();
        auto result = edited_text(text, edit);
        if (!result && result.error().message.starts_with("the edited policy would have errors") &&
            result.error().message.find("onflict") != std::string::npos)
            continue; // two rules for one port: attach would refuse it as well
        ASSERT_TRUE(result) << "seed " << seed << ": " << result.error().message << "\n" << text;
        done++;
        for (const auto* comment : {"# first\n", "# é, \"80:3080\"\n"}) // above entries
            ASSERT_EQ(count(*result, comment), count(text, comment)) << "seed " << seed;
        auto again = edited_text(*result, edit);
        ASSERT_TRUE(again) << "seed " << seed;
        ASSERT_EQ(*again, *result) << "seed " << seed << ": the second time it says so already";
    }
    EXPECT_GT(done, seeds * 85 / 100);
}

} // namespace
} // namespace bpfport
