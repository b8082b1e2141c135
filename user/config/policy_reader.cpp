// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_reader.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/policy_option.hpp"
#include "kernel/netlink.hpp"

namespace bpfport {

namespace {

using Kind = TomlValue::Kind;

class Reader {
  public:
    Reader(std::span<const std::string> engines, PolicyReading& reading)
        : engines_(engines), reading_(reading) {}

    void read(const TomlValue& document) {
        for (const auto& key : document.keys)
            if (key.name == "defaults") read_defaults(key);
        reading_.defaults = defaults_;
        for (const auto& key : document.keys) read_top(key);
    }

  private:
    void fail(const SourcePlace& place, std::string message, std::string hint) {
        reading_.errors.push_back({place, std::move(message), std::move(hint)});
    }
    void fail(const SourcePlace& place, const Error& error) {
        fail(place, error.message, error.hint);
    }

    void read_top(const TomlKey& key) {
        auto known = std::ranges::find(policy_tables(), key.name, &PolicyTableName::name);
        if (known == policy_tables().end()) {
            std::vector<std::string> names;
            for (const auto& table : policy_tables()) names.emplace_back(table.name);
            std::string near = suggest_name(key.name, names);
            fail(key.place, fmt::format("there is no table {:?}", key.name),
                 near.empty() ? "a policy has [host], [defaults], [[interface]] and [[cgroup]]"
                              : near);
        } else if (known->table == kInHost) {
            read_host(key);
        } else if (known->repeated) {
            if (key.value.kind == Kind::kTable) read_entry(key.value, *known);
            for (const auto& item : key.value.items)
                if (expect_table(item, *known)) read_entry(item, *known);
            if (key.value.kind != Kind::kList) expect_table(key.value, *known);
        }
    }

    bool expect_table(const TomlValue& value, const PolicyTableName& table) {
        if (value.kind == Kind::kTable) return true;
        fail(value.place, fmt::format("{} is {}", table.name, value.kind_name()),
             table.repeated ? fmt::format("write [[{}]] above the keys", table.name)
                            : fmt::format("write [{}] above the keys", table.name));
        return false;
    }

    static const PolicyTableName& table_of(PolicyTable table) {
        return *std::ranges::find(policy_tables(), table, &PolicyTableName::table);
    }

    void read_defaults(const TomlKey& key) {
        if (!expect_table(key.value, table_of(kInDefaults))) return;
        each_key(key.value, table_of(kInDefaults),
                 [&](const PolicyKey& known, const TomlKey& at) { set(known, at, defaults_); });
    }

    void read_host(const TomlKey& key) {
        if (!expect_table(key.value, table_of(kInHost))) return;
        each_key(key.value, table_of(kInHost), [&](const PolicyKey& known, const TomlKey& at) {
            auto before =
                std::ranges::find(reading_.host_keys, at.name, &Written<std::string>::value);
            if (before != reading_.host_keys.end())
                return fail(
                    at.place,
                    fmt::format("{} is set already, at {}", at.name, before->place.to_string()),
                    "it holds for the whole host: set it once");
            reading_.host_keys.push_back({at.name, at.place});
            if (auto done = set_option(known, at.value, reading_.policy.host); !done)
                fail(at.value.place, done.error());
        });
    }

    // Calls visit(key's row, key) for those that the table may have.
    void each_key(const TomlValue& table, const PolicyTableName& in, const auto& visit) {
        for (const auto& key : table.keys) {
            if (const PolicyKey* known = find_policy_key(in.table, key.name))
                visit(*known, key);
            else
                unknown_key(key, in);
        }
    }

    void unknown_key(const TomlKey& key, const PolicyTableName& in) {
        std::vector<std::string> others;
        for (const auto& other : policy_tables())
            if (find_policy_key(other.table, key.name))
                others.push_back(other.repeated ? fmt::format("[[{}]]", other.name)
                                                : fmt::format("[{}]", other.name));
        if (!others.empty())
            return fail(key.place, fmt::format("{} is no key of {}", key.name, in.name),
                        fmt::format("it is one of {}", fmt::join(others, " and ")));
        const auto names = policy_key_names(in.table);
        // As on the command line: on-absent.
        std::string word = key.name;
        std::ranges::replace(word, '-', '_');
        std::string near = std::ranges::find(names, word) != names.end()
                               ? fmt::format("did you mean {}?", word)
                               : suggest_name(key.name, names);
        if (near.empty()) near = fmt::format("{} has: {}", in.name, fmt::join(names, ", "));
        fail(key.place, fmt::format("there is no key {:?} in {}", key.name, in.name), near);
    }

    void wrong_value(const PolicyKey& known, const TomlValue& value) {
        fail(value.place, bpfport::wrong_value(known, value, engines_));
    }

    void set(const PolicyKey& known, const TomlKey& key, EntryOptions& options) {
        if (auto done = set_option(known, key.value, engines_, options); !done)
            fail(key.value.place, done.error());
    }

    void read_entry(const TomlValue& table, const PolicyTableName& in) {
        PolicyEntry entry;
        entry.place = table.place;
        entry.on_cgroup = in.table == kInCgroup;
        entry.options = defaults_;
        const std::size_t errors = reading_.errors.size();
        std::vector<const TomlKey*> named;
        bool has_work = false;
        each_key(table, in, [&](const PolicyKey& known, const TomlKey& key) {
            if (known.kind == KeyKind::kScope) {
                named.push_back(&key);
                if (entry.on_cgroup && named.size() > 1)
                    return fail(key.place,
                                fmt::format("{} beside {}", key.name, named.front()->name),
                                "an entry is for one cgroup; write another [[cgroup]]");
                each_item(known, key.value, !entry.on_cgroup,
                          [&](const TomlValue& item) { read_scope(known, item, entry); });
            } else if (known.kind == KeyKind::kRules || known.kind == KeyKind::kGrants) {
                has_work = true;
                each_item(known, key.value, true, [&](const TomlValue& item) {
                    known.kind == KeyKind::kRules ? read_rule(known, item, entry)
                                                  : read_grant(known, item, entry);
                });
            } else {
                set(known, key, entry.options);
            }
        });
        if (named.empty())
            fail(table.place, fmt::format("this {} has no name", in.name),
                 entry.on_cgroup ? "write path, unit, container or user" : "write name = \"eth0\"");
        if (!has_work)
            fail(table.place, fmt::format("this {} has no rules", in.name),
                 entry.on_cgroup ? "write rules = [\"80:3000\"] or grants = [80]"
                                 : "write rules = [\"80:3000\"]");
        if (reading_.errors.size() == errors || !entry.scopes.empty())
            reading_.policy.entries.push_back(std::move(entry));
    }

    // Of a list, or the one value that is written in the place of a list.
    void each_item(const PolicyKey& known, const TomlValue& value, bool may_be_list,
                   const auto& visit) {
        if (value.kind == Kind::kText || value.kind == Kind::kInteger) return visit(value);
        if (value.kind != Kind::kList || !may_be_list || value.items.empty())
            return value.kind == Kind::kList && value.items.empty()
                       ? fail(value.place, fmt::format("{} is empty", known.name),
                              fmt::format("write {}", known.form))
                       : wrong_value(known, value);
        for (const auto& item : value.items) visit(item);
    }

    void read_scope(const PolicyKey& known, const TomlValue& item, PolicyEntry& entry) {
        if (item.kind != Kind::kText) return wrong_value(known, item);
        auto scope = parse_scope(fmt::format("{}{}", known.scope_prefix, item.text));
        if (!scope) return fail(item.place, scope.error());
        if (scope->is_cgroup() != entry.on_cgroup)
            return fail(item.place, fmt::format("{} is a cgroup", scope->to_string()),
                        "write it as a [[cgroup]]");
        entry.scopes.push_back({std::move(*scope), item.place});
    }

    void read_rule(const PolicyKey& known, const TomlValue& item, PolicyEntry& entry) {
        if (item.kind != Kind::kText) return wrong_value(known, item);
        if (!is_auto_rule(item.text)) {
            auto rules = parse_rules(item.text);
            if (!rules) return fail(item.place, rules.error());
            for (const auto& rule : *rules) entry.rules.push_back({rule, item.place});
            return;
        }
        auto autos = parse_auto_rules(item.text);
        if (!autos) return fail(item.place, autos.error());
        if (!entry.on_cgroup)
            return fail(item.place,
                        fmt::format("{:?}: only a cgroup's rule can choose its target", item.text),
                        "name the target port that the program listens on");
        for (const auto& rule : *autos) entry.autos.push_back({rule, item.place});
    }

    void read_grant(const PolicyKey& known, const TomlValue& item, PolicyEntry& entry) {
        if (item.kind != Kind::kText && item.kind != Kind::kInteger)
            return wrong_value(known, item);
        auto grants =
            parse_grants(item.kind == Kind::kText ? item.text : fmt::format("{}", item.integer));
        if (!grants) return fail(item.place, grants.error());
        for (const auto& grant : *grants) entry.grants.push_back({grant, item.place});
    }

    std::span<const std::string> engines_;
    PolicyReading& reading_;
    EntryOptions defaults_;
};

} // namespace

void read_policy(const std::string& file, std::string_view text,
                 std::span<const std::string> engines, PolicyReading& reading) {
    auto document = parse_toml(file, text);
    if (!document) {
        reading.errors.push_back(document.error());
        return;
    }
    Reader(engines, reading).read(*document);
}

} // namespace bpfport
