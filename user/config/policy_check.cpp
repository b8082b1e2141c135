// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_check.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <tuple>

#include <fmt/format.h>

#include "config/entry_request.hpp"
#include "engine/registry.hpp"
#include "rule/conflict.hpp"
#include "rule/shares.hpp"

namespace bpfport {

namespace {

// A rule on one of its entry's scopes.
struct ScopedRule {
    const PolicyEntry* entry;
    const Scope* scope;
    Rule rule;
    SourcePlace place;

    [[nodiscard]] std::string to_string() const {
        return fmt::format("{} on {}", rule.to_string(), scope->to_string());
    }
};

class Check {
  public:
    explicit Check(const HostPolicy& policy) : policy_(policy) {}

    std::vector<SourceError> run() {
        for (const auto& entry : policy_.entries) {
            check_options(entry);
            for (const auto& scope : entry.scopes)
                for (const auto& rule : entry.rules)
                    by_netns_[entry.options.netns].push_back(
                        {&entry, &scope.value, rule.value, rule.place});
        }
        for (auto& [netns, rules] : by_netns_) {
            check_twice(rules);
            check_owners(rules);
            check_cgroups(rules);
            check_interfaces(rules);
        }
        return std::move(errors_);
    }

  private:
    void fail(const SourcePlace& place, std::string message, std::string hint) {
        errors_.push_back({place, std::move(message), std::move(hint)});
    }

    void check_options(const PolicyEntry& entry) {
        if (entry.on_cgroup) return;
        const AttachRequest request = attach_request(entry.options);
        if (auto checked = check_flags(request); !checked)
            fail(entry.place, checked.error().message, checked.error().hint);
        for (const auto& [rule, place] : entry.rules)
            if (auto checked = check_weight(rule, request); !checked)
                fail(place, checked.error().message, checked.error().hint);
        if (!request.engine) return;
        const unsigned wrong = given_options(entry.options) & ~request.engine->info().options;
        for (const auto& name : option_names(wrong))
            fail(entry.place, fmt::format("engine {} doesn't take {}", entry.options.engine, name),
                 "leave one of the two out; docs/engines.md has what each engine takes");
    }

    // One rule of two entries: which of their options would hold?
    void check_twice(std::vector<ScopedRule>& rules) {
        std::map<std::pair<Scope, Rule>, SourcePlace> seen;
        std::erase_if(rules, [&](const ScopedRule& rule) {
            auto [first, is_new] = seen.emplace(std::pair(*rule.scope, rule.rule), rule.place);
            if (!is_new)
                fail(rule.place, fmt::format("{} is there twice", rule.to_string()),
                     fmt::format("the other one is at {}", first->second.to_string()));
            return !is_new;
        });
    }

    void check_owners(const std::vector<ScopedRule>& rules) {
        std::map<std::pair<Protocol, unsigned>, const ScopedRule*> owned; // by target port
        for (const auto& rule : rules) {
            if (rule.entry->options.owner.empty()) continue;
            const PortRange target = rule.rule.target();
            for (unsigned port = target.first; port <= target.last; port++) {
                auto [first, is_new] = owned.emplace(std::pair(rule.rule.protocol(), port), &rule);
                if (is_new || first->second->entry->options.owner == rule.entry->options.owner)
                    continue;
                fail(rule.place,
                     fmt::format("target port {} of {} would have two owners, {} and {}", port,
                                 rule.to_string(), first->second->entry->options.owner,
                                 rule.entry->options.owner),
                     fmt::format("the other rule is at {}", first->second->place.to_string()));
                break;
            }
        }
    }

    void check_cgroups(const std::vector<ScopedRule>& rules) {
        std::vector<const ScopedRule*> before;
        for (const auto& rule : rules) {
            if (!rule.entry->on_cgroup) continue;
            if (!rule.rule.clients().has_all())
                fail(rule.place,
                     fmt::format("{} can't hold: a server's bind() has no client yet",
                                 rule.to_string()),
                     "rules for some clients are for interfaces");
            if (rule.rule.weight())
                fail(rule.place,
                     fmt::format("{} can't hold: bind() takes one port", rule.to_string()),
                     "targets that share a listen port are for interfaces");
            if (rule.rule.one_target())
                fail(rule.place,
                     fmt::format("{} can't hold: bind() of a second listen port would find port {} "
                                 "taken",
                                 rule.to_string(), rule.rule.target().first),
                     fmt::format("{}{}:auto gives each port a target of its own",
                                 local_text(rule.rule.local()), rule.rule.listen().to_string()));
            for (const ScopedRule* other : before)
                if (check_pair(rule, *other)) break;
            before.push_back(&rule);
        }
    }

    bool check_pair(const ScopedRule& rule, const ScopedRule& other) {
        if (rule.rule.protocol() != other.rule.protocol()) return false;
        const bool one_cgroup = *rule.scope == *other.scope;
        const bool listens = one_cgroup && rule.rule.local() == other.rule.local() &&
                             rule.rule.listen().overlaps(other.rule.listen());
        const bool targets = !one_cgroup && !rule.entry->options.force &&
                             rule.rule.target().overlaps(other.rule.target());
        if (!listens && !targets) return false;
        fail(rule.place,
             fmt::format("{} conflicts with {}, at {}", rule.to_string(), other.to_string(),
                         other.place.to_string()),
             listens ? "a listen port of a cgroup has one target"
                     : fmt::format("only one of them could bind the target port; use {}:auto",
                                   rule.rule.listen().to_string()));
        return true;
    }

    // Scopes are told apart by their text: which interfaces a pattern stands for, the host knows.
    void check_interfaces(const std::vector<ScopedRule>& rules) {
        constexpr std::size_t kMost = 20; // conflicts that are worth reading
        std::map<std::string, unsigned> indexes{{"any", 0}};
        std::vector<PlacedRule> placed;
        std::vector<const ScopedRule*> sources;
        for (const auto& rule : rules) {
            if (rule.entry->on_cgroup) continue;
            const auto scope = rule.scope->to_string();
            auto [index, _] = indexes.emplace(scope, static_cast<unsigned>(indexes.size()));
            placed.push_back({rule.rule, index->second, rule.entry->options.no_local,
                              fmt::format("{} ({})", scope, rule.place.to_string())});
            sources.push_back(&rule);
        }
        if (check_pairs({}, placed)) {
            if (auto conflict = find_share_conflict({}, placed))
                fail(sources[static_cast<std::size_t>(conflict->rule - placed.data())]->place,
                     conflict->error.message, conflict->error.hint);
            return;
        }
        std::size_t clean = 0; // that many from the beginning have none
        for (std::size_t found = 0; found < kMost; found++) {
            auto conflict = shortest_with_conflict(placed, clean);
            if (!conflict) return;
            fail(sources[clean]->place, conflict->message, conflict->hint);
            placed.erase(placed.begin() + static_cast<std::ptrdiff_t>(clean));
            sources.erase(sources.begin() + static_cast<std::ptrdiff_t>(clean));
        }
    }

    // The rule behind the beginning that is clean has the conflict. Looked for in steps that double, then by
    // halves: of many conflicts the next one is near.
    static std::optional<Error> shortest_with_conflict(std::span<const PlacedRule> rules,
                                                       std::size_t& clean) {
        std::optional<Error> conflict;
        std::size_t dirty = rules.size() + 1;
        for (std::size_t step = 1; clean < rules.size() && dirty > rules.size(); step *= 2) {
            const std::size_t end = std::min(clean + step, rules.size());
            auto checked = check_pairs({}, rules.first(end));
            if (!checked) conflict = checked.error();
            (checked ? clean : dirty) = end;
        }
        while (conflict && dirty - clean > 1) {
            const std::size_t middle = clean + (dirty - clean) / 2;
            auto checked = check_pairs({}, rules.first(middle));
            if (!checked) conflict = checked.error();
            (checked ? clean : dirty) = middle;
        }
        return conflict;
    }

    const HostPolicy& policy_;
    std::map<std::string, std::vector<ScopedRule>> by_netns_;
    std::vector<SourceError> errors_;
};

} // namespace

std::vector<SourceError> check_policy(const HostPolicy& policy) { return Check(policy).run(); }

} // namespace bpfport
