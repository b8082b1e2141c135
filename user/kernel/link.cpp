// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/link.hpp"

#include <unistd.h>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"

namespace bpfport {

namespace {

bool on_cgroup(bpf_attach_type type) {
    return type != BPF_SK_LOOKUP && type != BPF_XDP && type < kTcxIngress;
}

const char* hint_for(int error, bpf_attach_type type) {
    if (error == E2BIG || error == ENOSPC || error == ERANGE)
        return "64 programs are attached there already, the kernel's limit";
    if (error == EPERM && on_cgroup(type))
        return "another program may have taken this cgroup for itself alone: bpftool cgroup tree";
    return "";
}

} // namespace

Result<Link> Link::create(const Fd& program, int target, bpf_attach_type type,
                          std::string_view what, std::uint32_t flags) {
    // libbpf 1.1 knows no tcx, but hands type and flags through to the kernel.
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
    Fd link(bpf_link_create(program.get(), target, type, &options));
    if (!link) return system_error(fmt::format("attach {}", what), errno, hint_for(errno, type));
    return Link(std::move(link));
}

Result<Link> Link::open(const std::filesystem::path& pin) {
    auto fd = open_pin(pin);
    if (!fd) return std::unexpected(fd.error());
    return Link(std::move(*fd));
}

Result<void> Link::pin(const std::filesystem::path& path) const {
    if (!linked_program(path)) unlink(path.c_str());
    return bpfport::pin(fd_, path);
}

Result<void> Link::update(const Fd& program) const {
    if (bpf_link_update(fd_.get(), program.get(), nullptr) != 0)
        return system_error("update the link");
    return {};
}

std::uint32_t Link::program() const {
    bpf_link_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd_.get(), &info, &size) != 0) return 0;
    // What is behind the type is alike for netns, tcx and xdp. 0 when the target is gone.
    bool there =
        info.type == BPF_LINK_TYPE_CGROUP ? info.cgroup.cgroup_id != 0 : info.netns.netns_ino != 0;
    return there ? info.prog_id : 0;
}

std::uint32_t linked_program(const std::filesystem::path& pin) {
    auto link = Link::open(pin);
    return link ? link->program() : 0;
}

Result<void> update_link(const std::filesystem::path& pin, const Fd& program) {
    auto link = Link::open(pin);
    if (!link || !link->program()) return {};
    BP_TRY(link->update(program), pin.filename().native());
    return {};
}

Result<void> attach_hook(const std::filesystem::path& directory, const Hook& hook,
                         const Fd& target) {
    if (linked_program(directory, hook)) return {};
    auto program = open_pin(directory / hook.program);
    if (!program) return std::unexpected(program.error());
    auto link = Link::create(*program, target.get(), hook.type, hook.program);
    return link ? link->pin(directory / hook.link) : std::unexpected(link.error());
}

} // namespace bpfport
