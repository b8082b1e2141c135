// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/xdp_hook.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>

#include "kernel/bpf.hpp"
#include "kernel/load_log.hpp"

namespace bpfport {

namespace {

std::uint32_t mode_flag(bp_xdp_mode mode) {
    return mode == BP_XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
}

const char* attached_mode(std::uint8_t mode) {
    switch (mode) {
    case XDP_ATTACHED_SKB:
        return "generic";
    case XDP_ATTACHED_HW:
        return "in hardware";
    case XDP_ATTACHED_MULTI:
        return "native and generic";
    default:
        return "native";
    }
}

// The link that holds `program` on the interface. Walking links needs CAP_SYS_ADMIN; none without.
std::optional<std::uint32_t> link_of(unsigned ifindex, std::uint32_t program) {
    std::uint32_t id = 0;
    while (bpf_link_get_next_id(id, &id) == 0) {
        Fd link(bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        std::uint32_t size = sizeof(info);
        if (link && bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 &&
            info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ifindex &&
            info.prog_id == program)
            return id;
    }
    return {};
}

// An error that names the program that is there already.
Result<void> check_free(const Interface& interface) {
    LIBBPF_OPTS(bpf_xdp_query_opts, found);
    int index = static_cast<int>(interface.ifindex);
    if (bpf_xdp_query(index, 0, &found) != 0) return {};
    std::uint32_t id = found.prog_id       ? found.prog_id
                       : found.drv_prog_id ? found.drv_prog_id
                       : found.skb_prog_id ? found.skb_prog_id
                                           : found.hw_prog_id;
    if (!id) return {};
    std::string name = "a program";
    Fd program(bpf_prog_get_fd_by_id(id));
    if (program)
        if (auto info = program_info(program)) name = info->name;
    auto link = link_of(interface.ifindex, id);
    std::string off = link ? fmt::format("bpftool link detach id {}", *link)
                           : fmt::format("ip link set dev {} xdp off", interface.name);
    std::string by = link ? fmt::format(", by link {}", *link) : std::string();
    return failure(fmt::format("{} runs an XDP program already: {} (id {}, {}{})", interface.name,
                               name, id, attached_mode(found.attach_mode), by),
                   fmt::format("a device runs one XDP program: take that one off ({}), or use "
                               "--engine tc, which works beside it",
                               off));
}

// bpf(2) gives no reason for a refusal, netlink does: asked the same there, the kernel refuses
// again and says why. Should it agree this time, the program is taken off at once.
std::string refusal(const Fd& program, const Interface& interface, bp_xdp_mode mode) {
    LoadLog log;
    int index = static_cast<int>(interface.ifindex);
    std::uint32_t flags = mode_flag(mode) | XDP_FLAGS_UPDATE_IF_NOEXIST;
    if (bpf_xdp_attach(index, program.get(), flags, nullptr) == 0)
        bpf_xdp_detach(index, mode_flag(mode), nullptr);
    return LoadLog::kernel_message();
}

struct Advice {
    std::string_view word; // of the kernel's reason
    const char* hint;
};

// Drivers word their reasons differently; these words are in most of them.
constexpr Advice kAdvice[] = {
    {"native mode",
     "--engine tc does the same on any device; before Linux 6.9 --xdp-mode generic does "
     "too, after the kernel has made an skb of each packet"},
    {"MTU", "lower it (ip link set dev {0} mtu 1500), or use --engine tc"},
    {"queue",
     "XDP needs queues of its own: change their numbers with ethtool -L {0}, for a virtual "
     "machine in its configuration, or use --engine tc"},
    {"LRO", "ethtool -K {0} lro off, or use --engine tc"},
    {"GRO_HW", "the host merges packets for this guest: ethtool -K {0} rx-gro-hw off lro off, or "
               "guest_tso4=off,guest_tso6=off,guest_ufo=off,guest_csum=off for the virtual "
               "machine's device; or use --engine tc"},
};

// From 6.9 on, generic XDP works on a copy of most skbs, and the copy lacks skb->mac_len: tc programs
// then see the packet from its IP header on, and take its addresses for link-layer ones. Seen on 6.18.
bool generic_breaks_tc() {
    utsname name{};
    unsigned major = 0, minor = 0;
    return uname(&name) == 0 && std::sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           std::pair(major, minor) >= std::pair(6U, 9U);
}

std::string advice(const std::string& reason, const Interface& interface) {
    auto known = std::ranges::find_if(kAdvice, [&](const Advice& advice) {
        return reason.find(advice.word) != std::string::npos;
    });
    if (known == std::end(kAdvice)) return "--engine tc works on every device";
    return fmt::format(fmt::runtime(known->hint), interface.name);
}

} // namespace

const char* xdp_mode_name(std::uint8_t mode) {
    return mode == BP_XDP_NATIVE ? "native" : mode == BP_XDP_GENERIC ? "generic" : "";
}

Result<void> check_xdp_mode(const Interface& interface, bp_xdp_mode mode) {
    if (mode != BP_XDP_GENERIC || !generic_breaks_tc()) return {};
    return failure(fmt::format("{}: generic XDP on this kernel (6.9 and later) hides the Ethernet "
                               "header from tc, which admits new flows",
                               interface.name),
                   "--engine tc does the same on any device");
}

Result<Link> attach_xdp(const Fd& program, const Interface& interface, bp_xdp_mode mode) {
    auto link =
        Link::create(program, static_cast<int>(interface.ifindex), BPF_XDP, "XDP", mode_flag(mode));
    if (link) return link;
    if (auto free = check_free(interface); !free) return std::unexpected(free.error());
    std::string reason = refusal(program, interface, mode);
    std::string what = fmt::format("{} refuses {} XDP", interface.name, xdp_mode_name(mode));
    if (!reason.empty()) what += fmt::format(" ({})", reason);
    return system_error(what, link.error().code, advice(reason, interface));
}

} // namespace bpfport
