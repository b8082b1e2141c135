// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is in packaging/ and docs/ about metrics speaks of metrics that exist, and of all of them;
// Prometheus' own tool reads every query. Pages that help names exist.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bpfport/outcome.h"
#include "cli/topics.hpp"
#include "harness/environment.hpp"
#include "stats/metrics.hpp"
#include "unit/source_file.hpp"

namespace bpfport::test {
namespace {

std::set<std::string> metrics_in(const std::string& text) {
    static const std::regex kMetric("bpfport_[a-z_]+");
    return {std::sregex_token_iterator(text.begin(), text.end(), kMetric), {}};
}

std::set<std::string> known_metrics() {
    std::set<std::string> names;
    for (const auto& family : Metrics::all()) names.insert(family.name);
    return names;
}

// "expr" and "query" strings of the dashboard, with Grafana's variables filled in.
void collect_queries(const nlohmann::json& json, std::vector<std::string>& queries) {
    if (json.is_object() && json.contains("expr")) {
        auto query = json["expr"].get<std::string>();
        query = std::regex_replace(query, std::regex(R"(\$__rate_interval)"), "5m");
        queries.push_back(std::regex_replace(query, std::regex(R"(\$[a-z]+)"), ".*"));
    }
    for (const auto& child : json)
        if (child.is_structured()) collect_queries(child, queries);
}

TEST(Packaging, SpeaksOfMetricsThatExist) {
    const auto known = known_metrics();
    for (const char* name : {"packaging/grafana/bpfport.json",
                             "packaging/prometheus/bpfport.rules.yml", "docs/metrics.md"})
        for (const auto& metric : metrics_in(source_file(name)))
            EXPECT_TRUE(known.contains(metric)) << name << " has " << metric;
}

TEST(Packaging, DocumentsEveryMetricAndOutcome) {
    const std::string text = source_file("docs/metrics.md");
    for (const auto& name : known_metrics())
        EXPECT_NE(text.find("| `" + name + "` |"), std::string::npos) << name;
    for (unsigned i = 0; i < BP_OUTCOME_COUNT; i++)
        EXPECT_NE(text.find(fmt::format("`{}`", outcome_label(i))), std::string::npos)
            << outcome_label(i);
}

TEST(Packaging, HelpNamesPagesThatExist) {
    unsigned pages = 0;
    for (const auto& topic : topics()) {
        static const std::regex kPage("[a-z]+\\.md");
        for (std::sregex_token_iterator page(topic.text.begin(), topic.text.end(), kPage), end;
             page != end; ++page, ++pages)
            EXPECT_FALSE(source_file("docs/" + page->str()).empty());
    }
    EXPECT_GT(pages, 8U);
}

TEST(Packaging, DashboardQueriesAreValid) {
    REQUIRE_PROGRAM("promtool");
    std::vector<std::string> queries;
    collect_queries(nlohmann::json::parse(source_file("packaging/grafana/bpfport.json")), queries);
    ASSERT_GT(queries.size(), 10U);
    nlohmann::json rules = nlohmann::json::array();
    for (std::size_t i = 0; i < queries.size(); i++)
        rules.push_back({{"record", fmt::format("q{}", i)}, {"expr", queries[i]}});
    nlohmann::json document = {{"groups", {{{"name", "dashboard"}, {"rules", rules}}}}};
    const auto path = std::filesystem::temp_directory_path() /
                      fmt::format("bpfport-dashboard-{}.yml", ::getpid());
    std::ofstream(path) << document.dump(); // JSON is YAML
    auto checked = run({"promtool", "check", "rules", path.string()});
    EXPECT_EQ(checked.status, 0) << checked.out << checked.err << document.dump(1);
    std::filesystem::remove(path);
}

TEST(Packaging, AlertsFireWhenTheyShould) {
    REQUIRE_PROGRAM("promtool");
    auto tested = run({"promtool", "test", "rules", "bpfport.rules.test.yml"},
                      {.directory = std::string(BPFPORT_SOURCE) + "/packaging/prometheus"});
    EXPECT_EQ(tested.status, 0) << tested.out << tested.err;
}

} // namespace
} // namespace bpfport::test
