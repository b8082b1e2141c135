// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/hook_checks.hpp"

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "kernel/netdev.hpp"
#include "state/attachment.hpp"
#include "state/hook_loss.hpp"

namespace bpfport {

namespace {

std::string program_name(std::uint32_t id) {
    Fd program(bpf_prog_get_fd_by_id(id));
    auto info = program ? program_info(program) : failure("");
    return info && !info->name.empty() ? fmt::format("{} (id {})", info->name, id)
                                       : fmt::format("id {}", id);
}

// In the order in which they run; empty as well when the kernel has no tcx.
std::vector<std::uint32_t> tcx_programs(unsigned ifindex, int type) {
    std::vector<std::uint32_t> ids(64);
    auto count = static_cast<std::uint32_t>(ids.size());
    std::uint32_t flags = 0;
    if (bpf_prog_query(static_cast<int>(ifindex), static_cast<bpf_attach_type>(type), 0, &flags,
                       ids.data(), &count) != 0)
        return {};
    ids.resize(count);
    return ids;
}

void check_tcx(const Attachment& attachment, Findings& findings) {
    if (attachment.meta().hook != BP_HOOK_TCX) return;
    auto ids = tcx_programs(attachment.name().ifindex, kTcxIngress);
    auto ours = std::ranges::find(ids, attachment.program(Direction::kIngress));
    for (auto id = ids.begin(); ours != ids.end() && id != ours; ++id)
        findings.push_back({Severity::kWarning, fmt::format("interface {}", attachment.interface()),
                            fmt::format("tc program {} runs before ours, and may take packets away "
                                        "or change them",
                                        program_name(*id)),
                            "detach and attach the rules again: the last to attach is first"});
    if (ours != ids.end() && ids.size() > 1)
        findings.push_back({Severity::kNote,
                            fmt::format("interface {}", attachment.interface()),
                            fmt::format("{} other tc programs run on arrival", ids.size() - 1),
                            {}});
}

void check_xdp(const Attachment& attachment, Findings& findings) {
    LIBBPF_OPTS(bpf_xdp_query_opts, options);
    if (bpf_xdp_query(static_cast<int>(attachment.name().ifindex), 0, &options) != 0) return;
    std::uint32_t id = options.prog_id ? options.prog_id : options.drv_prog_id;
    if (!id) id = options.skb_prog_id;
    if (!id || program_name(id).starts_with("bp_")) return;
    findings.push_back({Severity::kWarning, fmt::format("interface {}", attachment.interface()),
                        fmt::format("XDP program {} runs before ours, and may take packets away or "
                                    "change them",
                                    program_name(id)),
                        "look at what it does with the listen port"});
}

// One value of the ethtool ioctl; nullopt: the device does not tell.
template <typename T>
std::optional<T> ethtool(const std::string& interface, std::uint32_t command) {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    T value{};
    value.cmd = command;
    ifreq request{};
    std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    if (!socket || ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return std::nullopt;
    return value;
}

void check_device(const Attachment& attachment, Findings& findings) {
    const std::string name = attachment.interface();
    auto driver = ethtool<ethtool_drvinfo>(name, ETHTOOL_GDRVINFO);
    auto gro = ethtool<ethtool_value>(name, ETHTOOL_GGRO);
    auto flags = ethtool<ethtool_value>(name, ETHTOOL_GFLAGS);
    std::string driver_name = driver ? driver->driver : "";
    bool lro = flags && (flags->data & ETH_FLAG_LRO);
    std::string text = fmt::format("driver {}", driver_name.empty() ? "unknown" : driver_name);
    if (gro) text += gro->data ? ", GRO on" : ", GRO off (more packets to rewrite)";
    auto native = has_native_xdp(attachment.name().ifindex);
    if (!native)
        text += ", this kernel can't tell whether it has native XDP (6.3)";
    else
        text += *native ? ", native XDP" : ", no native XDP";
    findings.push_back({Severity::kOk, fmt::format("interface {}", name), text, {}});
    if (lro)
        findings.push_back({Severity::kNote, fmt::format("interface {}", name),
                            "LRO is on: it merges packets before any program sees them, and keeps "
                            "native XDP from being attached",
                            fmt::format("ethtool -K {} lro off", name)});
}

} // namespace

void check_hooks(const Store& store, const Snapshot& snapshot, const NetworkFacts& facts,
                 Findings& findings) {
    for (const auto& attachment : attachments(store, snapshot.netns)) {
        if (!attachment.alive()) {
            findings.push_back({Severity::kBroken,
                                fmt::format("interface {}", attachment.interface()),
                                hook_loss({attachment.program(Direction::kIngress) != 0,
                                           attachment.program(Direction::kEgress) != 0}),
                                "run the attach command again"});
            continue;
        }
        check_tcx(attachment, findings);
        check_xdp(attachment, findings);
        const Interface* interface =
            find_interface(facts.host.interfaces, attachment.name().ifindex);
        if (interface && !interface->is_loopback()) check_device(attachment, findings);
    }
}

} // namespace bpfport
