// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_edit.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/entry_edit.hpp"
#include "config/policy_check.hpp"
#include "config/policy_keys.hpp"
#include "config/policy_reader.hpp"
#include "config/policy_writer.hpp"
#include "config/toml_edit.hpp"

namespace bpfport {

namespace {

Result<void> first_of(const std::vector<SourceError>& errors, std::string_view what) {
    if (errors.empty()) return {};
    return failure(
        fmt::format("{}: {}: {}", what, errors.front().place.to_string(), errors.front().message),
        errors.front().hint);
}

class Editor {
  public:
    Editor(std::vector<PolicyFile>& files, const PolicyEdit& edit,
           std::span<const std::string> engines)
        : files_(files), edit_(edit), engines_(engines) {}

    Result<void> run(std::size_t added) {
        auto before = read_all("the policy has errors");
        if (!before) return std::unexpected(before.error());
        auto expected = edited(statements(*before), edit_);
        if (!expected) return std::unexpected(expected.error());
        for (auto& file : files_)
            if (auto done = end_items(file); !done) return done;
        if (edit_.kind == PolicyEdit::Kind::kPut)
            if (auto done = add_missing(added); !done) return done;
        auto after = read_all("the edited policy would have errors");
        if (!after) return std::unexpected(after.error());
        if (!say_the_same(statements(*after), *expected))
            return failure("the policy is written in a way that can't be edited here",
                           "edit it by hand; bpfport apply --dry-run shows what differs");
        return {};
    }

  private:
    struct Reading {
        TomlValue document;
        PolicyReading policy;
    };

    [[nodiscard]] Result<Reading> read(const PolicyFile& file) const {
        auto document = parse_toml(file.name, file.text);
        if (!document)
            return failure(
                fmt::format("{}: {}", document.error().place.to_string(), document.error().message),
                document.error().hint);
        Reading reading{std::move(*document), {}};
        read_policy(file.name, file.text, engines_, reading.policy);
        return reading;
    }

    [[nodiscard]] Result<HostPolicy> read_all(std::string_view what) const {
        PolicyReading reading;
        for (const auto& file : files_) read_policy(file.name, file.text, engines_, reading);
        if (auto fine = first_of(reading.errors, what); !fine) return std::unexpected(fine.error());
        if (auto fine = first_of(check_policy(reading.policy), what); !fine)
            return std::unexpected(fine.error());
        return std::move(reading.policy);
    }

    Result<void> end_items(PolicyFile& file) const {
        auto reading = read(file);
        if (!reading) return std::unexpected(reading.error());
        TomlEdit toml(file.text);
        EntryEdit entries(toml, reading->document, edit_);
        for (const auto& entry : reading->policy.policy.entries) entries.end_items(entry);
        entries.erase_empty();
        for (const auto& entry : entries.moved())
            if (auto done = append_entry(toml, *reading, entry); !done) return done;
        file.text = toml.text();
        return {};
    }

    // What the edit puts on a scope and no file says, for each scope that lacks something.
    [[nodiscard]] std::vector<std::pair<Scope, std::vector<PolicyItem>>>
    missing(const std::vector<PolicyStatement>& all) const {
        std::vector<std::pair<Scope, std::vector<PolicyItem>>> result;
        for (const auto& scope : edit_.scopes) {
            std::vector<PolicyItem> items;
            for (const auto& item : edit_.items) {
                const bool twice = std::ranges::any_of(items, [&](const PolicyItem& other) {
                    return to_string(other) == to_string(item);
                });
                if (!twice && !is_said(all, edit_, scope, item)) items.push_back(item);
            }
            if (!items.empty()) result.emplace_back(scope, std::move(items));
        }
        return result;
    }

    Result<void> add_missing(std::size_t added) {
        auto policy = read_all("the edited policy would have errors");
        if (!policy) return std::unexpected(policy.error());
        // Interfaces that lack the same share an entry; an entry is for one cgroup.
        std::vector<PolicyEntry> entries;
        std::map<std::string, std::size_t> shared;
        for (auto& [scope, items] : missing(statements(*policy))) {
            std::string key;
            for (const auto& item : items) key += to_string(item) + " ";
            if (scope.is_cgroup()) key += scope.to_string();
            auto [at, is_new] = shared.emplace(key, entries.size());
            if (is_new) entries.push_back(entry_with(scope.is_cgroup(), edit_, items));
            auto& scopes = entries[at->second].scopes;
            const bool twice = std::ranges::any_of(
                scopes, [&](const auto& other) { return other.value == scope; });
            if (!twice) scopes.push_back({scope, {}});
        }
        for (const auto& entry : entries)
            if (auto done = add(entry, added); !done) return done;
        return {};
    }

    Result<void> add(const PolicyEntry& entry, std::size_t added) {
        for (auto& file : files_) {
            auto reading = read(file);
            if (!reading) return std::unexpected(reading.error());
            TomlEdit toml(file.text);
            if (!extend_entry(toml, reading->document, reading->policy.policy, entry)) continue;
            file.text = toml.text();
            return {};
        }
        auto& file = files_[added];
        auto reading = read(file);
        if (!reading) return std::unexpected(reading.error());
        TomlEdit toml(file.text);
        if (auto done = append_entry(toml, *reading, entry); !done) return done;
        file.text = toml.text();
        return {};
    }

    static Result<void> append_entry(TomlEdit& toml, const Reading& reading,
                                     const PolicyEntry& entry) {
        const EntryOptions& defaults = reading.policy.defaults;
        for (const auto& key : policy_keys())
            if (key.text && (entry.options.*key.text).empty() && !(defaults.*key.text).empty())
                return failure(
                    fmt::format("[defaults] sets {}, which an entry can't unset", key.name),
                    "--save=FILE writes to another file");
        const auto lines = entry_lines(entry, defaults);
        const char* name = entry.on_cgroup ? "cgroup" : "interface";
        auto list = std::ranges::find(reading.document.keys, name, &TomlKey::name);
        if (list != reading.document.keys.end() && !list->value.items.empty() &&
            toml.is_inline(list->value.items.front()))
            toml.append_items(list->value, {fmt::format("{{ {} }}", fmt::join(lines, ", "))});
        else
            toml.append_lines(fmt::format("[[{}]]\n{}\n", name, fmt::join(lines, "\n")));
        return {};
    }

    std::vector<PolicyFile>& files_;
    const PolicyEdit& edit_;
    std::span<const std::string> engines_;
};

} // namespace

Result<std::vector<PolicyFile>> edit_policy(std::vector<PolicyFile> files, std::size_t added,
                                            const PolicyEdit& edit,
                                            std::span<const std::string> engines) {
    if (auto done = Editor(files, edit, engines).run(added); !done)
        return std::unexpected(done.error());
    return files;
}

} // namespace bpfport
