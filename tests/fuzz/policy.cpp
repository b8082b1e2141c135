// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Policy files: whatever is read is complete or reported, and a report has its place on one line.
#include "config/policy_reader.hpp"

#include "fuzz.hpp"

namespace bpfport {

namespace {

void require_reported(const SourceError& error) {
    require(error.place.line > 0 && error.place.column > 0, "a mistake has a place", error.message);
    require(!error.message.empty(), "a mistake has a message");
    require(!error.hint.empty(), "a mistake has a hint", error.message);
    require(is_printable(error.hint), "a hint is printable", error.hint);
}

void require_complete(const PolicyEntry& entry) {
    require(!entry.scopes.empty(), "an entry has a scope");
    for (const auto& [scope, place] : entry.scopes) {
        require(scope.is_cgroup() == entry.on_cgroup, "a scope is of its table", scope.to_string());
        require(place.line > 0, "a scope has a place", scope.to_string());
    }
    for (const auto& rule : entry.rules)
        require(rule.place.line > 0, "a rule has a place", rule.value.to_string());
    require(entry.on_cgroup || (entry.autos.empty() && entry.grants.empty()),
            "grants and targets to be chosen are a cgroup's");
    for (const auto& word : {entry.options.engine, entry.options.on_absent})
        require(is_printable(word) && !word.empty(), "a choice is one of its words", word);
}

} // namespace

void fuzz(Bytes input) {
    const std::vector<std::string> engines{"auto", "tc", "sklookup"};
    PolicyReading reading;
    read_policy("one.toml", text_of(input), engines, reading);
    for (const auto& error : reading.errors) require_reported(error);
    for (const auto& entry : reading.policy.entries) require_complete(entry);
    if (!reading.errors.empty()) return;
    // A second file of the same text may only repeat what is set once.
    read_policy("two.toml", text_of(input), engines, reading);
    require(reading.errors.size() == reading.host_keys.size(), "each key of [host] is set once");
}

} // namespace bpfport
