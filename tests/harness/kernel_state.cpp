// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/kernel_state.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <net/if.h>

#include <array>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "harness/amount.hpp"
#include "harness/process.hpp"
#include "harness/sweep.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOurs = "bp_";

struct Hook {
    int type; // enum bpf_attach_type; Debian 12's headers don't know tcx
    const char* name;
};
constexpr std::array kTcx = {Hook{46, "tcx ingress"}, Hook{47, "tcx egress"}};
constexpr std::array kCgroup = {Hook{BPF_CGROUP_INET_INGRESS, "ingress"},
                                Hook{BPF_CGROUP_INET_EGRESS, "egress"},
                                Hook{BPF_CGROUP_INET_SOCK_CREATE, "create"},
                                Hook{BPF_CGROUP_INET_SOCK_RELEASE, "release"},
                                Hook{BPF_CGROUP_SOCK_OPS, "sockops"},
                                Hook{BPF_CGROUP_INET4_BIND, "bind4"},
                                Hook{BPF_CGROUP_INET6_BIND, "bind6"},
                                Hook{BPF_CGROUP_INET4_CONNECT, "connect4"},
                                Hook{BPF_CGROUP_INET6_CONNECT, "connect6"},
                                Hook{BPF_CGROUP_INET4_POST_BIND, "post_bind4"},
                                Hook{BPF_CGROUP_INET6_POST_BIND, "post_bind6"},
                                Hook{BPF_CGROUP_UDP4_SENDMSG, "sendmsg4"},
                                Hook{BPF_CGROUP_UDP6_SENDMSG, "sendmsg6"},
                                Hook{BPF_CGROUP_UDP4_RECVMSG, "recvmsg4"},
                                Hook{BPF_CGROUP_UDP6_RECVMSG, "recvmsg6"},
                                Hook{BPF_CGROUP_INET4_GETPEERNAME, "getpeername4"},
                                Hook{BPF_CGROUP_INET6_GETPEERNAME, "getpeername6"},
                                Hook{BPF_CGROUP_INET4_GETSOCKNAME, "getsockname4"},
                                Hook{BPF_CGROUP_INET6_GETSOCKNAME, "getsockname6"}};

using Things = std::vector<std::string>;

std::string program_name(__u32 id) {
    const Fd program(::bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    if (!program || ::bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return {};
    return info.name;
}

// Our programs on one hook of a netns, an interface or a cgroup. Unknown to this kernel: none.
void add_programs(Things& things, int target, int type, const std::string& where) {
    std::array<__u32, 64> ids{};
    __u32 count = ids.size();
    if (::bpf_prog_query(target, static_cast<bpf_attach_type>(type), 0, nullptr, ids.data(),
                         &count) != 0)
        return;
    for (__u32 i = 0; i < count; ++i)
        if (const std::string name = program_name(ids.at(i)); name.starts_with(kOurs))
            things.push_back(fmt::format("{}: {}", where, name));
}

void add_interface(Things& things, const Netns& netns, const std::string& name, unsigned index) {
    const std::string where = fmt::format("{} in {}", name, netns.name());
    for (const Hook& hook : kTcx)
        add_programs(things, static_cast<int>(index), hook.type,
                     fmt::format("{} of {}", hook.name, where));
    __u32 xdp = 0;
    if (::bpf_xdp_query_id(static_cast<int>(index), 0, &xdp) == 0 && xdp != 0)
        if (const std::string program = program_name(xdp); program.starts_with(kOurs))
            things.push_back(fmt::format("xdp of {}: {}", where, program));
    for (const char* side : {"ingress", "egress"}) {
        const auto filters = run({"tc", "filter", "show", "dev", name, side}, {.netns = &netns});
        if (filters.out.find(kOurs) != std::string::npos)
            things.push_back(fmt::format("clsact {} of {}:\n{}", side, where, filters.out));
    }
}

void add_netns(Things& things, const Netns& netns) {
    netns.run([&] {
        struct if_nameindex* all = ::if_nameindex();
        for (auto* one = all; one != nullptr && one->if_index != 0; ++one)
            add_interface(things, netns, one->if_name, one->if_index);
        ::if_freenameindex(all);
    });
    add_programs(things, netns.fd(), BPF_SK_LOOKUP, "sk_lookup of " + netns.name());
}

} // namespace

std::vector<std::string> kernel_holds(const NetnsList& namespaces, const CgroupList& cgroups) {
    Things things;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(state_root(), ignored))
        things.push_back("pin " + entry.path().string());
    for (const Netns& netns : namespaces) add_netns(things, netns);
    for (const Cgroup& cgroup : cgroups) {
        const Fd fd(::open(cgroup.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        for (const Hook& hook : kCgroup)
            add_programs(things, fd.get(), hook.type,
                         fmt::format("{} of {}", hook.name, cgroup.name()));
    }
    return things;
}

testing::AssertionResult expect_kernel_empty(const NetnsList& namespaces, const CgroupList& cgroups,
                                             std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + in_time(patience);
    for (;;) {
        const auto left = kernel_holds(namespaces, cgroups);
        if (left.empty()) return testing::AssertionSuccess();
        if (std::chrono::steady_clock::now() >= end) {
            auto failure = testing::AssertionFailure() << "the kernel still holds:";
            for (const std::string& thing : left) failure << "\n  " << thing;
            return failure;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

} // namespace bpfport::test
