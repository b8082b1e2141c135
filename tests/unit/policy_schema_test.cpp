// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The JSON schema for editors, and docs/policy.md, have the tables, keys and words that the reader has.
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/policy_keys.hpp"
#include "engine/choice.hpp"
#include "unit/source_file.hpp"

namespace bpfport {
namespace {

using Json = nlohmann::json;

std::set<std::string> names_of(const Json& properties) {
    std::set<std::string> names;
    for (const auto& [name, _] : properties.items()) names.insert(name);
    return names;
}

void compare(const PolicyKey& key, const Json& property) {
    switch (key.kind) {
    case KeyKind::kFlag:
        EXPECT_EQ(property.at("type"), "boolean");
        break;
    case KeyKind::kNumber:
        EXPECT_EQ(property.at("minimum"), kFewestEntries);
        EXPECT_EQ(property.at("maximum"), kMostEntries);
        break;
    case KeyKind::kChoice: {
        const auto engines = engine_choices();
        std::set<std::string> words(key.choices.begin(), key.choices.end());
        if (words.empty()) words.insert(engines.begin(), engines.end());
        EXPECT_EQ(property.at("enum").get<std::set<std::string>>(), words);
        EXPECT_EQ(property.at("default"), property.at("enum").at(0));
        break;
    }
    case KeyKind::kText:
        EXPECT_EQ(property.at("type"), "string");
        break;
    case KeyKind::kScope:
    case KeyKind::kRules:
    case KeyKind::kGrants:
        break; // lists, whose items the reader's own parsers judge
    }
}

TEST(PolicySchema, HasTheKeysOfTheReader) {
    const Json schema = Json::parse(test::source_file("packaging/policy/policy.schema.json"));
    std::set<std::string> tables;
    for (const auto& table : policy_tables()) {
        tables.insert(std::string(table.name));
        SCOPED_TRACE(table.name);
        const Json& known = schema.at("properties").at(std::string(table.name));
        EXPECT_EQ(known.at("type"), table.repeated ? "array" : "object");
        const Json& one = table.repeated ? known.at("items") : known;
        EXPECT_EQ(one.at("additionalProperties"), false);
        const auto keys = policy_key_names(table.table);
        EXPECT_EQ(names_of(one.at("properties")), std::set<std::string>(keys.begin(), keys.end()));
        for (const auto& key : keys) {
            SCOPED_TRACE(key);
            compare(*find_policy_key(table.table, key), one.at("properties").at(key));
        }
    }
    EXPECT_EQ(names_of(schema.at("properties")), tables);
}

TEST(PolicySchema, TheDocumentHasEveryKeyAndWord) {
    const std::string text = test::source_file("docs/policy.md");
    for (const auto& key : policy_keys()) {
        EXPECT_THAT(text, testing::HasSubstr(fmt::format("`{}`", key.name)));
        for (const auto& word : key.choices)
            EXPECT_THAT(text, testing::HasSubstr(fmt::format("`\"{}\"`", word)));
    }
    for (const auto& engine : engine_choices())
        EXPECT_THAT(text, testing::HasSubstr(fmt::format("`\"{}\"`", engine)));
}

} // namespace
} // namespace bpfport
