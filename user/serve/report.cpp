// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/report.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::json;

Json list(const std::vector<Warning>& warnings) {
    Json all = Json::array();
    for (const auto& [message, hint] : warnings) all.push_back({message, hint});
    return all;
}

std::vector<Warning> warnings(const Json& list) {
    std::vector<Warning> all;
    for (const auto& one : list)
        all.push_back({one.at(0).get<std::string>(), one.at(1).get<std::string>()});
    return all;
}

} // namespace

std::string encode_report(const ServeReport& report) {
    Json done = Json::array();
    for (const auto& [event, text] : report.done) done.push_back({event, text});
    return json_text(Json{{"done", done},
                          {"left", report.left},
                          {"skipped", list(report.skipped)},
                          {"faults", list(report.faults)},
                          {"warnings", list(report.warnings)},
                          {"in_force", report.in_force},
                          {"outdated", report.outdated},
                          {"again", report.again},
                          {"owned", report.owned}});
}

Result<ServeReport> decode_report(const std::string& text) {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) return failure("it ended before its report did");
    ServeReport report;
    for (const auto& one : json.at("done"))
        report.done.push_back({one.at(0).get<std::string>(), one.at(1).get<std::string>()});
    json.at("left").get_to(report.left);
    report.skipped = warnings(json.at("skipped"));
    report.faults = warnings(json.at("faults"));
    report.warnings = warnings(json.at("warnings"));
    json.at("in_force").get_to(report.in_force);
    json.at("outdated").get_to(report.outdated);
    json.at("again").get_to(report.again);
    json.at("owned").get_to(report.owned);
    return report;
}

} // namespace bpfport
