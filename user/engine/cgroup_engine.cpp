// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/cgroup_engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "engine/cgroup_object.hpp"
#include "engine/grant_check.hpp"
#include "engine/guard.hpp"
#include "engine/local_clients.hpp"
#include "engine/root_hooks.hpp"
#include "engine/upgrade.hpp"
#include "kernel/bpf.hpp"
#include "kernel/bpffs.hpp"
#include "kernel/map.hpp"
#include "kernel/sysctl.hpp"
#include "state/instance.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

// Links those of the hooks that the content needs and `directory` lacks.
Result<void> link_needed(const fs::path& directory, const CgroupRef& cgroup,
                         const PolicyContent& content) {
    auto fd = open_directory(cgroup);
    if (!fd) return std::unexpected(fd.error());
    for (const auto& hook : kCgroupHooks)
        if (hook.needed_by(content)) BP_TRY(attach_hook(directory, hook, *fd), cgroup.path);
    return {};
}

Result<void> clear_counters(const fs::path& directory, const std::vector<std::uint32_t>& places) {
    if (places.empty()) return {};
    auto map = open_pin(directory / pins::kCalls);
    if (!map) return std::unexpected(map.error());
    for (std::uint32_t place : places)
        BP_TRY(clear_cpus<bp_policy_counters>(*map, place), "new rule or grant");
    return {};
}

bp_cgroup_meta describe(const CgroupRef& cgroup, const std::string& scope, std::uint32_t flags) {
    bp_cgroup_meta meta{};
    meta.abi = BP_ABI;
    meta.flags = flags;
    meta.build = cgroup_object_build();
    meta.cgroup = cgroup.id;
    meta.root = cgroup.root;
    meta.created = static_cast<std::uint64_t>(std::time(nullptr));
    scope.copy(meta.scope, sizeof(meta.scope) - 1);
    cgroup.path.copy(meta.path, sizeof(meta.path) - 1);
    return meta;
}

// How many ports need the capability here; never less than everywhere.
unsigned low_ports() {
    constexpr unsigned kUsual = 1024;
    auto text = read_net_sysctl("ipv4/ip_unprivileged_port_start");
    return std::max(kUsual, text ? static_cast<unsigned>(std::atoi(text->c_str())) : 0U);
}

Result<void> check_grants_around(const Store& store, PolicyAt own, std::uint64_t cgroup) {
    std::vector<PolicyAt> others;
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead))
        if (attachment.meta().cgroup != cgroup)
            others.push_back({attachment.scope(), attachment.meta().path, attachment.content()});
    return check_grants(own, others, low_ports());
}

} // namespace

Result<CgroupEngine> CgroupEngine::open(Store& store, CgroupRef cgroup, std::string scope,
                                        std::uint32_t flags) {
    // What all cgroups share would be made to fit those that can be read, and be wrong for others.
    for (const auto& entry : unreadable(store))
        if (std::uint64_t id = 0; parse_cgroup_attachment_name(entry, id))
            return Directory(store.path(entry)).other_version();
    CgroupEngine engine(store, std::move(cgroup), std::move(scope), flags);
    if (!store.has(cgroup_attachment_name(engine.cgroup_.id))) return engine;
    if (auto opened = engine.open_attachment(); !opened) return std::unexpected(opened.error());
    return engine;
}

Result<void> CgroupEngine::open_attachment() {
    auto attachment = CgroupAttachment::open(*store_, cgroup_.id, Store::Access::kChange);
    if (!attachment) return std::unexpected(attachment.error());
    attachment_.emplace(std::move(*attachment));
    content_ = attachment_->content();
    return {};
}

// Complete, policy and links included, before it has its name.
Result<void> CgroupEngine::make(PolicyContent& content) {
    if (cgroup_.path.size() >= sizeof(bp_cgroup_meta::path))
        return failure(fmt::format("the path of cgroup {} is too long", cgroup_.path));
    auto staging = store_->stage();
    if (!staging) return std::unexpected(staging.error());
    const fs::path& directory = staging->path();
    if (auto loaded = load_cgroup_object(directory, store_->path(kHostDirectory)); !loaded)
        return loaded;
    auto meta = describe(cgroup_, scope_, flags_);
    BP_TRY(staging->directory().describe(meta), cgroup_.path);
    auto map = open_pin(directory / pins::kPolicy);
    if (!map) return std::unexpected(map.error());
    auto policy = Policy::open(*map, true);
    if (!policy) return std::unexpected(policy.error());
    if (auto places = policy->replace(content, cgroup_.id); !places)
        return std::unexpected(places.error());
    if (auto linked = link_needed(directory, cgroup_, content); !linked) return linked;
    if (auto published = staging->publish(cgroup_attachment_name(cgroup_.id)); !published)
        return published;
    return open_attachment();
}

Result<void> CgroupEngine::upgrade() {
    const auto& directory = attachment_->path();
    const std::vector<Hook> hooks(kCgroupHooks.begin(), kCgroupHooks.end());
    BP_TRY(upgrade_hooks(*store_, directory, hooks,
                         [&](const fs::path& staging) {
                             return load_cgroup_object(staging, store_->path(kHostDirectory),
                                                       directory);
                         }),
           cgroup_.path);
    auto meta = attachment_->meta();
    meta.build = cgroup_object_build();
    BP_TRY(attachment_->directory().describe_anew(meta), cgroup_.path);
    return open_attachment();
}

Result<void> CgroupEngine::unlink_unneeded(const PolicyContent& content) const {
    for (const auto& hook : kCgroupHooks)
        if (!hook.needed_by(content)) BP_TRY(remove_pin(attachment_->path() / hook.link), "detach");
    return {};
}

Result<void> CgroupEngine::change(PolicyContent& content) {
    if (!content.grants.empty() && !kernel_can_grant())
        return failure("grants need kernel 5.12",
                       "use a rule instead, such as 80:3000: the program still binds 80, and "
                       "remote clients come by `bpfport attach INTERFACE 80:3000`");
    // The root cgroup's programs come first: a client whose connect() is redirected asks them for
    // its peer's name.
    if (auto there = content.has_local_clients()
                         ? ensure_root_programs(*store_, kLocalClientPrograms)
                         : ensure_host(*store_);
        !there)
        return there;
    if (!attachment_) return make(content);
    if (attachment_->meta().build != cgroup_object_build())
        if (auto upgraded = upgrade(); !upgraded) return upgraded;
    if (auto linked = link_needed(attachment_->path(), cgroup_, content); !linked) return linked;
    auto fresh = attachment_->policy().replace(content, cgroup_.id);
    if (!fresh) return std::unexpected(fresh.error());
    if (auto cleared = clear_counters(attachment_->path(), *fresh); !cleared) return cleared;
    return unlink_unneeded(content);
}

Result<void> CgroupEngine::apply(PolicyContent content) {
    Result<void> changed;
    if (!content.empty()) {
        changed = check_grants_around(*store_, {scope_, cgroup_.path, content}, cgroup_.id);
        if (changed) changed = change(content);
    } else {
        attachment_.reset();
        changed = store_->remove(cgroup_attachment_name(cgroup_.id));
    }
    if (changed) content_ = std::move(content);
    return changed;
}

Result<void> reconcile_cgroups(Store& store) {
    if (!unreadable(store).empty()) return {}; // what seems unused may be theirs
    BP_TRY(remove_unreadable_root_programs(store), "root cgroup");
    if (auto done = reconcile_local_clients(store); !done)
        return context("local clients", done.error());
    if (auto done = reconcile_guards(store); !done) return context("guard", done.error());
    return remove_unused_host(store);
}

} // namespace bpfport
