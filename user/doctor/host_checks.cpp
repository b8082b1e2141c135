// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/host_checks.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <memory>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "base/fd.hpp"
#include "engine/cgroup_object.hpp"
#include "kernel/capabilities.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/tc_hook.hpp"

namespace bpfport {

namespace {

constexpr const char* kKernel = "kernel";

// `return value;`
struct Instructions {
    bpf_insn code[2];
    explicit Instructions(int value)
        : code{{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}} {}
};

Fd load(bpf_prog_type type, int attach_type, int value) {
    Instructions instructions(value);
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = static_cast<bpf_attach_type>(attach_type);
    return Fd(bpf_prog_load(type, "bp_doctor", "GPL", instructions.code, 2, &options));
}

bool has_map(bpf_map_type type) { return libbpf_probe_bpf_map_type(type, nullptr) == 1; }

void add(Findings& findings, bool there, const std::string& yes, const std::string& no,
         const std::string& remedy, Severity severity = Severity::kNote) {
    findings.push_back({there ? Severity::kOk : severity, kKernel, there ? yes : no,
                        there ? std::string() : remedy});
}

bool has_kfunc(const char* name) {
    std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), btf__free);
    return !libbpf_get_error(kernel.get()) &&
           btf__find_by_name_kind(kernel.get(), name, BTF_KIND_FUNC) > 0;
}

void check_jit(const Fd& program, Findings& findings) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return;
    add(findings, info.jited_prog_len > 0, "BPF programs are compiled (JIT)",
        "BPF programs are interpreted: several times slower", "sysctl net.core.bpf_jit_enable=1",
        Severity::kWarning);
}

} // namespace

void check_capabilities(Findings& findings) {
    auto missing = capability_hint(kAttachCapabilities);
    if (missing.empty())
        findings.push_back({Severity::kOk, "capabilities", "enough to attach", {}});
    else
        findings.push_back({Severity::kWarning, "capabilities", "not enough to attach: " + missing,
                            "run as root, or give these capabilities"});
}

void check_kernel(Findings& findings) {
    if (!missing_capabilities(kAttachCapabilities).empty()) {
        findings.push_back({Severity::kNote, kKernel,
                            "features can't be tried without capabilities", "run as root"});
        return;
    }
    Fd classifier = load(BPF_PROG_TYPE_SCHED_CLS, 0, 0);
    add(findings, static_cast<bool>(classifier), "runs tc programs (engine tc)",
        "can't load a tc program: engine tc has nothing to work with",
        "a kernel with CONFIG_NET_CLS_BPF and CONFIG_BPF_SYSCALL", Severity::kBroken);
    if (classifier) check_jit(classifier, findings);
    add(findings, tcx_supported(), "has tcx: hooks that clean up by themselves",
        "has no tcx (6.6): filters on clsact are used, which outlive a killed command",
        "none needed");
    add(findings, has_kfunc("bpf_cast_to_kern_ctx"),
        "has BTF and bpf_cast_to_kern_ctx: ports are written directly (the fast path)",
        "has no BTF or no bpf_cast_to_kern_ctx (6.2): ports are written through helpers, about "
        "50 ns a packet more",
        "none needed");
    add(findings, has_map(BPF_MAP_TYPE_SK_STORAGE) && has_map(BPF_MAP_TYPE_LRU_HASH),
        "has socket storage and LRU maps: connections are remembered in their sockets",
        "lacks socket storage (5.2) or LRU maps: engine tc can't work", "a kernel from 5.10 on",
        Severity::kBroken);
    add(findings, has_map(BPF_MAP_TYPE_RINGBUF), "has ring buffers (trace)",
        "has no ring buffers (5.8): trace can't work", "a kernel from 5.10 on");
    add(findings, static_cast<bool>(load(BPF_PROG_TYPE_XDP, 0, XDP_PASS)),
        "runs XDP programs (engine xdp)", "can't load an XDP program (engine xdp)", "none needed");
    add(findings, static_cast<bool>(load(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, SK_PASS)),
        "runs sk_lookup programs (engine sklookup)",
        "has no sk_lookup (5.9): engine sklookup can't work", "none needed");
    add(findings, kernel_can_grant(), "lets a cgroup's programs bind privileged ports (grant)",
        "can't grant ports to a cgroup (5.12, CONFIG_CGROUP_BPF)", "none needed");
}

void check_mounts(const std::filesystem::path& root, Findings& findings) {
    struct statfs status {};
    auto mount = root.parent_path();
    if (statfs(mount.c_str(), &status) == 0 && status.f_type == BPF_FS_MAGIC)
        findings.push_back({Severity::kOk, "bpffs", fmt::format("on {}", mount.native()), {}});
    else
        findings.push_back({Severity::kWarning, "bpffs",
                            fmt::format("not mounted on {}", mount.native()),
                            fmt::format("mount -t bpf -o mode=0700 bpf {} (attach does it by "
                                        "itself, outside of containers and "
                                        "`ip netns exec`)",
                                        mount.native())});
    if (auto cgroups = cgroup_mount())
        findings.push_back({Severity::kOk, "cgroup2", fmt::format("on {}", cgroups->native()), {}});
    else
        findings.push_back({Severity::kNote, "cgroup2",
                            "not mounted: cgroup scopes and grants can't be used",
                            cgroups.error().hint});
}

} // namespace bpfport
