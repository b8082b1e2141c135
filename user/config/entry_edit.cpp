// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/entry_edit.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/policy_keys.hpp"
#include "config/policy_writer.hpp"

namespace bpfport {

namespace {

bool same_place(const SourcePlace& left, const SourcePlace& right) {
    return left.line == right.line && left.column == right.column;
}

struct EntryTable {
    const TomlKey* key = nullptr; // of the document
    std::size_t index = 0;
    const TomlValue* value = nullptr;
};

EntryTable table_of(const TomlValue& document, const PolicyEntry& entry) {
    for (const auto& key : document.keys) {
        if (key.value.kind == TomlValue::Kind::kTable && same_place(key.value.place, entry.place))
            return {&key, 0, &key.value};
        for (std::size_t index = 0; index < key.value.items.size(); index++)
            if (same_place(key.value.items[index].place, entry.place))
                return {&key, index, &key.value.items[index]};
    }
    return {};
}

bool is_list_of(const TomlKey& key, KeyKind kind, const PolicyEntry& entry) {
    const auto* known = find_policy_key(entry.on_cgroup ? kInCgroup : kInInterface, key.name);
    return known && known->kind == kind;
}

std::vector<const TomlValue*> values_of(const TomlKey& key) {
    std::vector<const TomlValue*> values;
    for (const auto& item : key.value.items) values.push_back(&item);
    if (key.value.kind != TomlValue::Kind::kList) values.push_back(&key.value);
    return values;
}

void put_items(PolicyEntry& entry, const std::vector<PolicyItem>& items) {
    for (const auto& item : items) {
        if (const auto* rule = std::get_if<Rule>(&item)) entry.rules.push_back({*rule, {}});
        if (const auto* rule = std::get_if<AutoRule>(&item)) entry.autos.push_back({*rule, {}});
        if (const auto* grant = std::get_if<Grant>(&item)) entry.grants.push_back({*grant, {}});
    }
}

std::set<Scope> scope_set(const PolicyEntry& entry) {
    std::set<Scope> scopes;
    for (const auto& scope : entry.scopes) scopes.insert(scope.value);
    return scopes;
}

std::vector<std::string> quoted_texts(const std::vector<Written<PolicyItem>>& items) {
    std::vector<std::string> texts;
    for (const auto& item : items) texts.push_back(quoted_text(to_string(item.value)));
    return texts;
}

} // namespace

PolicyEntry entry_with(bool on_cgroup, const PolicyEdit& edit,
                       const std::vector<PolicyItem>& items) {
    PolicyEntry entry;
    entry.on_cgroup = on_cgroup;
    entry.options = edit.options;
    put_items(entry, items);
    return entry;
}

void EntryEdit::end_items(const PolicyEntry& entry) {
    const auto items = items_of(entry);
    std::map<Ended, std::vector<Scope>> by_ended; // that of no item is the first
    for (const auto& scope : entry.scopes) {
        Ended ended;
        for (const auto& item : items)
            ended.push_back(ends(edit_, scope.value, entry.options, item.value));
        by_ended[ended].push_back(scope.value);
    }
    const EntryTable table = table_of(document_, entry);
    if (!table.value) return;
    const Ended& ended = by_ended.begin()->first;
    if (by_ended.size() > 1) end_scopes(entry, *table.value, by_ended);
    if (std::ranges::find(ended, true) != ended.end()) end_values(entry, *table.value, ended);
}

// The entry keeps the scopes of the first group; the others leave it, with what they keep.
void EntryEdit::end_scopes(const PolicyEntry& entry, const TomlValue& table,
                           const std::map<Ended, std::vector<Scope>>& by_ended) {
    std::set<Scope> leaving;
    const auto items = items_of(entry);
    for (auto group = std::next(by_ended.begin()); group != by_ended.end(); group++) {
        const auto& [ended, scopes] = *group;
        leaving.insert(scopes.begin(), scopes.end());
        std::vector<PolicyItem> kept;
        for (std::size_t index = 0; index < items.size(); index++)
            if (!ended[index]) kept.push_back(items[index].value);
        if (kept.empty()) continue;
        PolicyEntry more;
        more.on_cgroup = entry.on_cgroup;
        more.options = entry.options;
        for (const auto& scope : scopes) more.scopes.push_back({scope, {}});
        put_items(more, kept);
        moved_.push_back(std::move(more));
    }
    for (const auto& key : table.keys) {
        if (!is_list_of(key, KeyKind::kScope, entry)) continue;
        std::vector<std::size_t> indexes;
        for (std::size_t index = 0; index < key.value.items.size(); index++)
            for (const auto& scope : entry.scopes)
                if (same_place(scope.place, key.value.items[index].place) &&
                    leaving.contains(scope.value))
                    indexes.push_back(index);
        toml_.erase_items(key.value, indexes);
    }
}

// A value without what ends of it: nullopt when nothing does, empty when nothing is left. What the edit
// puts takes the place of what ends, where it means the same for the whole entry: the comment there stays.
std::optional<std::string> EntryEdit::rest_of(const TomlValue& value, const PolicyEntry& entry,
                                              const Ended& ended) const {
    const auto items = items_of(entry);
    std::vector<std::string> kept;
    std::vector<PolicyItem> ending;
    for (std::size_t index = 0; index < items.size(); index++) {
        if (!same_place(items[index].place, value.place)) continue;
        if (ended[index])
            ending.push_back(items[index].value);
        else
            kept.push_back(to_string(items[index].value));
    }
    if (ending.empty()) return std::nullopt;
    const auto in_edit = [&](const Written<Scope>& scope) {
        return std::ranges::find(edit_.scopes, scope.value) != edit_.scopes.end();
    };
    if (kept.empty() && ending.size() == 1 && std::ranges::all_of(entry.scopes, in_edit) &&
        same_options(entry.options, edit_.options, entry.on_cgroup))
        if (const auto* wanted = replacement(edit_, ending.front()))
            kept.push_back(to_string(*wanted));
    return kept.empty() ? "" : quoted_text(fmt::format("{}", fmt::join(kept, ",")));
}

void EntryEdit::end_values(const PolicyEntry& entry, const TomlValue& table, const Ended& ended) {
    std::vector<std::pair<const TomlKey*, std::vector<std::size_t>>> gone;
    bool is_empty = true;
    for (const auto& key : table.keys) {
        if (!is_list_of(key, KeyKind::kRules, entry) && !is_list_of(key, KeyKind::kGrants, entry))
            continue;
        const auto values = values_of(key);
        std::vector<std::size_t> indexes;
        for (std::size_t index = 0; index < values.size(); index++) {
            const auto rest = rest_of(*values[index], entry, ended);
            if (rest && rest->empty())
                indexes.push_back(index);
            else if (rest)
                toml_.replace(*values[index], *rest);
        }
        is_empty = is_empty && indexes.size() == values.size();
        gone.emplace_back(&key, std::move(indexes));
    }
    if (is_empty) {
        const EntryTable whole = table_of(document_, entry);
        empty_[whole.key].push_back(whole.index);
        return;
    }
    for (const auto& [key, indexes] : gone) {
        if (indexes.size() == values_of(*key).size())
            toml_.erase_key(table, *key);
        else
            toml_.erase_items(key->value, indexes);
    }
}

void EntryEdit::erase_empty() {
    for (const auto& [key, indexes] : empty_) {
        const auto& tables = key->value.items;
        if (tables.empty()) {
            toml_.erase_table(key->value);
        } else if (!toml_.is_inline(tables.front())) {
            for (const auto index : indexes) toml_.erase_table(tables[index]);
        } else if (indexes.size() == tables.size()) {
            toml_.erase_key(document_, *key);
        } else {
            toml_.erase_items(key->value, indexes);
        }
    }
}

bool extend_entry(TomlEdit& toml, const TomlValue& document, const HostPolicy& policy,
                  const PolicyEntry& more) {
    const KeyKind kind = more.grants.empty() ? KeyKind::kRules : KeyKind::kGrants;
    for (const auto& entry : policy.entries) {
        if (entry.on_cgroup != more.on_cgroup || scope_set(entry) != scope_set(more)) continue;
        if (kind == KeyKind::kRules &&
            (entry.options.required || !same_options(entry.options, more.options, more.on_cgroup)))
            continue;
        const EntryTable table = table_of(document, entry);
        if (!table.value) continue;
        for (const auto& key : table.value->keys)
            if (is_list_of(key, kind, entry)) {
                toml.append_items(key.value, quoted_texts(items_of(more)));
                return true;
            }
    }
    return false;
}

} // namespace bpfport
