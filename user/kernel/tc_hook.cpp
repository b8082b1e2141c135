// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/tc_hook.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "kernel/bpf.hpp"
#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

constexpr unsigned kLoopback = 1;

bpf_attach_type tcx_type(Direction direction) {
    return direction == Direction::kIngress ? kTcxIngress : kTcxEgress;
}

bpf_tc_hook hook_of(const ClsactFilter& filter) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = static_cast<int>(filter.ifindex);
    hook.attach_point = filter.direction == Direction::kIngress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    return hook;
}

bpf_tc_opts options_of(const ClsactFilter& filter) {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = filter.handle;
    options.priority = filter.priority;
    return options;
}

// All programs there; nullopt: the kernel has no tcx.
std::optional<std::uint32_t> count_tcx(unsigned ifindex, bpf_attach_type type) {
    std::uint32_t count = 0;
    if (bpf_prog_query(static_cast<int>(ifindex), type, 0, nullptr, nullptr, &count) != 0)
        return std::nullopt;
    return count;
}

const char* name_of(Direction direction) {
    return direction == Direction::kIngress ? "ingress" : "egress";
}

// The kind of the qdisc in the place that clsact and ingress share; empty: none.
std::string qdisc_kind(unsigned ifindex) {
    alignas(nlmsghdr) char buffer[64];
    nlmsghdr* request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETQDISC;
    auto* wanted = static_cast<tcmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(tcmsg)));
    wanted->tcm_ifindex = static_cast<int>(ifindex);
    wanted->tcm_parent = TC_H_CLSACT;
    auto messages = netlink_get(NETLINK_ROUTE, request, "read the qdisc");
    std::string kind;
    if (!messages) return kind;
    for_each_message(*messages, [&](const nlmsghdr* message) {
        for_each_attribute(attributes_of(message, sizeof(tcmsg)), [&](auto type, auto payload) {
            if (type != TCA_KIND) return;
            kind.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
            kind.resize(std::min(kind.find('\0'), kind.size()));
        });
    });
    return kind;
}

// The kernel says EEXIST for clsact itself and for an ingress qdisc in its place. That one has no
// way out, and takes a filter for the way out as another one for the way in.
Result<void> make_clsact(bpf_tc_hook& hook) {
    int error = bpf_tc_hook_create(&hook);
    if (error == 0) return {};
    if (error != -EEXIST)
        return system_error(
            "create clsact qdisc", -error,
            error == -ENOENT ? "the kernel lacks sch_ingress (CONFIG_NET_SCH_INGRESS)" : "");
    std::string kind = qdisc_kind(static_cast<unsigned>(hook.ifindex));
    if (kind == "clsact") return {};
    return failure(
        fmt::format("create clsact qdisc: an {} qdisc has its place, which sees no packets on the "
                    "way out, so replies would keep the target port",
                    kind),
        "make it clsact (tc qdisc del dev DEVICE ingress, then tc qdisc add dev DEVICE clsact and "
        "the same filters), or use Linux 6.6 or later, where tcx needs no qdisc; tcp alone is "
        "served by --engine sklookup without hooks");
}

} // namespace

bool tcx_supported() {
    // The question waits for the lock of all interfaces.
    static const bool supported = count_tcx(kLoopback, kTcxIngress).has_value();
    return supported;
}

bool clsact_is_as_good(unsigned ifindex) {
    return count_tcx(ifindex, kTcxIngress) == 0U && count_tcx(ifindex, kTcxEgress) == 0U &&
           qdisc_kind(ifindex) != "ingress";
}

Result<Link> attach_tcx(const Fd& program, unsigned ifindex, Direction direction) {
    return Link::create(program, static_cast<int>(ifindex), tcx_type(direction),
                        fmt::format("to tcx {}", name_of(direction)),
                        direction == Direction::kIngress ? kBefore : kAfter);
}

Result<Link> reserve_tcx(unsigned ifindex, Direction direction) {
    constexpr bpf_insn kPassOn[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, TC_ACT_UNSPEC},
                                    {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    const Fd program(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bp_reserve", "GPL", kPassOn,
                                   std::size(kPassOn), nullptr));
    if (!program) return system_error("load a program that passes packets on");
    return attach_tcx(program, ifindex, direction);
}

Result<void> attach_clsact(const Fd& program, const ClsactFilter& filter) {
    bpf_tc_hook hook = hook_of(filter);
    if (auto made = make_clsact(hook); !made) return made;
    bpf_tc_opts options = options_of(filter);
    options.prog_fd = program.get();
    options.flags = BPF_TC_F_REPLACE;
    if (int error = bpf_tc_attach(&hook, &options); error != 0)
        return system_error(fmt::format("attach to clsact {}", name_of(filter.direction)), -error);
    return {};
}

Result<void> detach_clsact(const ClsactFilter& filter) {
    bpf_tc_hook hook = hook_of(filter);
    bpf_tc_opts options = options_of(filter);
    int error = bpf_tc_detach(&hook, &options);
    if (error != 0 && error != -ENOENT && error != -ENODEV && error != -EINVAL)
        return system_error(fmt::format("detach from clsact {}", name_of(filter.direction)),
                            -error);
    return {};
}

std::optional<std::uint32_t> clsact_program(const ClsactFilter& filter) {
    bpf_tc_hook hook = hook_of(filter);
    bpf_tc_opts options = options_of(filter);
    if (bpf_tc_query(&hook, &options) != 0) return {};
    // On an ingress qdisc, a filter of the way out runs on the way in.
    if (filter.direction == Direction::kEgress && qdisc_kind(filter.ifindex) != "clsact") return {};
    return options.prog_id;
}

} // namespace bpfport
