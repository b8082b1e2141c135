// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport export
#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include <bpf/bpf.h>
#include <fmt/ostream.h>

#include "base/directory.hpp"
#include "cli/command.hpp"
#include "cli/export_guards.hpp"
#include "config/entry_request.hpp"
#include "config/policy_writer.hpp"
#include "kernel/bpf.hpp"
#include "kernel/netns.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/instance.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace {

// A network namespace that a file can name.
struct Place {
    std::string name; // empty: the command's own
    Fd handle;
    std::uint64_t inode = 0, cookie = 0;
};

Result<Place> place_of(std::string name, Fd handle) {
    auto inode = netns_inode(handle);
    if (!inode) return std::unexpected(inode.error());
    auto inside = ScopedNetns::enter(handle);
    if (!inside) return std::unexpected(inside.error());
    const std::uint64_t cookie = current_netns_cookie();
    return Place{std::move(name), std::move(handle), *inode, cookie};
}

// The command's own, and those of `ip netns` that have rules.
Result<std::vector<Place>> places(const Store& store) {
    auto own = open_current_netns();
    if (!own) return std::unexpected(own.error());
    auto first = place_of({}, std::move(*own));
    if (!first) return std::unexpected(first.error());
    std::vector<Place> found;
    found.push_back(std::move(*first));
    auto names = entries_of("/run/netns");
    std::ranges::sort(names);
    for (const auto& path : names) {
        const std::string name = path.filename();
        auto ref = parse_netns(name);
        auto handle = ref ? open_netns(*ref) : std::unexpected(ref.error());
        if (!handle || !is_writable_name(name)) continue;
        auto place = place_of(name, std::move(*handle));
        if (place && std::ranges::find(found, place->inode, &Place::inode) == found.end())
            found.push_back(std::move(*place));
    }
    std::set<std::uint64_t> cookies;
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead))
        for (const auto& rule : attachment.content().rules) cookies.insert(rule.netns_cookie);
    std::erase_if(found, [&](const Place& place) {
        return !place.name.empty() && !store.has(instance_name(place.inode)) &&
               !cookies.contains(place.cookie);
    });
    return found;
}

class Export {
  public:
    explicit Export(const Store& store) : store_(store) {}

    Result<void> read() {
        auto found = places(store_);
        if (!found) return std::unexpected(found.error());
        std::set<std::string> known;
        for (const auto& place : *found) {
            known.insert(instance_name(place.inode));
            if (auto done = read_interfaces(place); !done) return done;
        }
        for (const auto& attachment : cgroup_attachments(store_, Store::Access::kRead))
            read_cgroup(attachment, *found);
        for (const auto& entry : store_.entries())
            if (std::uint64_t netns = 0;
                parse_instance_name(entry, netns) && !known.contains(entry))
                comment("rules of network namespace {}, which has no name of ip netns", netns);
        for (const auto& entry : unreadable(store_)) comment("{} {}", entry, kUnreadableText);
        return {};
    }

    void print(std::ostream& out) const {
        fmt::print(out, "# What is in force, as bpfport export found it. \"force\" and "
                        "\"required\" are not known.\n");
        for (const auto& text : comments_) fmt::print(out, "# Left out: {}\n", text);
        fmt::print(out, "{}", policy_text(policy_));
    }

  private:
    template <typename... Values>
    void comment(fmt::format_string<Values...> form, Values&&... values) {
        comments_.push_back(fmt::format(form, std::forward<Values>(values)...));
    }

    // The entry for this scope with these options.
    PolicyEntry& entry_for(const Scope& scope, const EntryOptions& options) {
        for (auto& entry : policy_.entries)
            if (entry.scopes.front().value == scope && entry.options == options) return entry;
        PolicyEntry entry;
        entry.on_cgroup = scope.is_cgroup();
        entry.options = options;
        entry.scopes.push_back({scope, {}});
        return policy_.entries.emplace_back(std::move(entry));
    }

    Result<void> read_interfaces(const Place& place) {
        if (!store_.has(instance_name(place.inode))) return {};
        auto inside = ScopedNetns::enter(place.handle);
        if (!inside) return std::unexpected(inside.error());
        auto instance = Instance::open(store_, place.inode, Store::Access::kRead);
        if (!instance) return {}; // unreadable(), or gone just now
        auto list = interfaces();
        if (!list) return std::unexpected(list.error());
        if (place.name.empty()) read_sizes(*instance);
        const ExportGuards guards(store_, place.cookie);
        for (const auto& rule : instance->table().rules()) {
            const std::string name = scope_name(rule.ifindex, *list);
            auto scope = rule.ifindex ? parse_scope("dev:" + name) : Scope::any();
            const auto text = fmt::format("{} on {}", rule.rule.to_string(), name);
            if (!scope || !is_writable_name(name) ||
                (rule.ifindex && !find_interface(*list, rule.ifindex))) {
                comment("{}: no file can name that interface", text);
            } else if (rule.has(BP_RULE_DRAINING)) {
                comment("{}: draining", text);
            } else {
                auto options = entry_options(rule);
                options.netns = place.name;
                if (auto more = guards.describe(rule.rule, options); !more.empty())
                    comment("of {}: {}", text, more);
                entry_for(*scope, options).rules.push_back({rule.rule, {}});
            }
        }
        return {};
    }

    void read_sizes(const Instance& instance) {
        const MapSizes usual;
        auto size = [&](const char* pin, std::uint32_t other_than) -> std::uint32_t {
            auto map = instance.open_pin(pin);
            bpf_map_info info{};
            std::uint32_t length = sizeof(info);
            if (!map || bpf_obj_get_info_by_fd(map->get(), &info, &length) != 0) return 0;
            return info.max_entries == other_than ? 0 : info.max_entries;
        };
        policy_.host.flows = size(pins::kUdpFlows, usual.udp_flows);
        policy_.host.hints = size(pins::kHints, usual.hints);
    }

    void read_cgroup(const CgroupAttachment& attachment, const std::vector<Place>& places) {
        const auto name = attachment.scope();
        auto scope = parse_scope(name);
        if (attachment.is_run() || name.starts_with("container:"))
            return comment("rules and grants of {}, which end with it",
                           attachment.is_run() ? "a bpfport run" : name);
        if (!scope || !is_writable_name(name))
            return comment("rules and grants of {}: no file can name that cgroup", name);
        const auto content = attachment.content();
        for (const auto& rule : content.rules) {
            auto place = std::ranges::find(places, rule.netns_cookie, &Place::cookie);
            if (place == places.end()) {
                comment("{} on {}, of a network namespace that has no name of ip netns",
                        rule.rule.to_string(), name);
                continue;
            }
            EntryOptions options;
            options.netns = place->name;
            options.no_local = rule.has(BP_POLICY_NO_LOCAL);
            options.force = shares_target(rule, attachment.meta().cgroup);
            const ExportGuards guards(store_, place->cookie);
            if (auto more = guards.describe(rule.rule, options); !more.empty())
                comment("of {} on {}: {}", rule.rule.to_string(), name, more);
            auto& entry = entry_for(*scope, options);
            if (rule.has(BP_POLICY_AUTO))
                entry.autos.push_back(
                    {{rule.rule.local(), rule.rule.listen(), rule.rule.protocol()}, {}});
            else
                entry.rules.push_back({rule.rule, {}});
        }
        for (const auto& grant : content.grants)
            entry_for(*scope, {}).grants.push_back({grant, {}});
    }

    // Only --force lets two cgroups have it.
    [[nodiscard]] bool shares_target(const PolicyRule& rule, std::uint64_t cgroup) const {
        for (const auto& other : cgroup_attachments(store_, Store::Access::kRead))
            for (const auto& theirs : other.content().rules)
                if (other.meta().cgroup != cgroup && theirs.netns_cookie == rule.netns_cookie &&
                    theirs.rule.protocol() == rule.rule.protocol() &&
                    theirs.rule.target().overlaps(rule.rule.target()))
                    return true;
        return false;
    }

    const Store& store_;
    HostPolicy policy_;
    std::vector<std::string> comments_;
};

Result<void> export_policy(const Session& session) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto read = store->undisturbed([&]() -> Result<Export> {
        Export made(*store);
        if (auto done = made.read(); !done) return std::unexpected(done.error());
        return made;
    });
    if (!read) return std::unexpected(read.error());
    read->print(session.out);
    return {};
}

} // namespace

Command add_export(CommandLine& app) {
    auto* command = app.add_subcommand("export", "Write what is in force as a policy file");
    command->footer("Of this network namespace, of those that ip netns names, and of all cgroups:\n"
                    "  bpfport export > /etc/bpfport/policy.toml\n"
                    "What a file can't say is a comment.");
    return {command, &export_policy};
}

} // namespace bpfport
