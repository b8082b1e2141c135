// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/tc_hook.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"

namespace bpfport {

namespace {

constexpr unsigned kLoopback = 1;

int tcx_type(Direction direction) {
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

const char* name_of(Direction direction) {
    return direction == Direction::kIngress ? "ingress" : "egress";
}

} // namespace

bool tcx_supported() {
    std::uint32_t count = 0;
    return bpf_prog_query(static_cast<int>(kLoopback), static_cast<bpf_attach_type>(kTcxIngress), 0,
                          nullptr, nullptr, &count) == 0;
}

Result<Fd> attach_tcx(const Fd& program, unsigned ifindex, Direction direction) {
    // libbpf 1.1 knows no tcx, but hands type and flags through to the kernel.
    LIBBPF_OPTS(bpf_link_create_opts, options);
    options.flags = direction == Direction::kIngress ? kBefore : kAfter;
    Fd link(bpf_link_create(program.get(), static_cast<int>(ifindex),
                            static_cast<bpf_attach_type>(tcx_type(direction)), &options));
    if (!link) return system_error(fmt::format("attach to tcx {}", name_of(direction)));
    return link;
}

Result<void> attach_clsact(const Fd& program, const ClsactFilter& filter) {
    bpf_tc_hook hook = hook_of(filter);
    if (int error = bpf_tc_hook_create(&hook); error != 0 && error != -EEXIST)
        return system_error(
            "create clsact qdisc", -error,
            error == -ENOENT ? "the kernel lacks sch_ingress (CONFIG_NET_SCH_INGRESS)" : "");
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
    return options.prog_id;
}

} // namespace bpfport
