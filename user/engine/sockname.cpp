// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/sockname.hpp"

#include <cerrno>
#include <iterator>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/load_log.hpp"
#include "kernel/netns.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

namespace {

constexpr std::uint64_t kHostRoot = 1; // the id of the whole hierarchy's root cgroup
constexpr const char* kPartOfTheTree =
    "this container sees a part of the cgroup tree only, and programs outside it can't be told";

bool in_place(const Store& store) {
    auto netns = current_netns_inode();
    if (!netns) return false;
    auto attachment = SklookupAttachment::open(store, *netns);
    return attachment && attachment->sockname_alive();
}

// A program that returns 1, which lets every call pass as it is.
Result<void> try_hook(const Fd& cgroup, bpf_attach_type type) {
    LoadLog quiet;
    const bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = type;
    Fd fd(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "bp_probe", "Dual BSD/GPL", program,
                        std::size(program), &options));
    if (!fd) return system_error("load a getsockname hook");
    Fd link(bpf_link_create(fd.get(), cgroup.get(), type, nullptr));
    if (!link && errno == EPERM)
        return failure("another program has the root cgroup's getsockname hook for itself alone",
                       "bpftool cgroup tree names it");
    if (!link) return system_error("attach a getsockname hook to the root cgroup");
    return {};
}

} // namespace

std::string why_no_sockname(const Store& store) {
    if (in_place(store)) return {};
    auto root = root_cgroup();
    if (!root) return root.error().message;
    if (root->id != kHostRoot) return kPartOfTheTree;
    auto cgroup = open_directory(*root);
    if (!cgroup) return cgroup.error().message;
    for (const auto& hook : kSocknameHooks)
        if (auto tried = try_hook(*cgroup, hook.type); !tried) return tried.error().message;
    return {};
}

bool wants_sockname(const RuleSpec& rule) {
    return rule.engine == BP_ENGINE_SKLOOKUP && rule.rule.protocol() == Protocol::kTcp &&
           !rule.has(BP_RULE_SOCKNAME_LISTEN);
}

Result<void> attach_sockname(const Store& store, std::uint64_t netns) {
    auto attachment = SklookupAttachment::open(store, netns);
    if (!attachment) return std::unexpected(attachment.error());
    auto root = root_cgroup();
    if (!root) return std::unexpected(root.error());
    auto cgroup = open_directory(*root);
    if (!cgroup) return std::unexpected(cgroup.error());
    for (const auto& hook : kSocknameHooks)
        if (auto linked = attach_hook(attachment->path(), hook, *cgroup); !linked) return linked;
    return root->id == kHostRoot ? Result<void>{} : failure(kPartOfTheTree);
}

} // namespace bpfport
