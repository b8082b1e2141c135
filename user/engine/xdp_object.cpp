// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/xdp_object.hpp"

#include <fcntl.h>

#include <algorithm>
#include <memory>

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpfport/table.h"
#include "engine/instance_maps.hpp"
#include "kernel/load_log.hpp"
#include "xdp.skel.h"

namespace bpfport {

namespace {

struct Destroy {
    void operator()(xdp_bpf* skeleton) const { xdp_bpf::destroy(skeleton); }
};

Result<Fd> load(const std::filesystem::path& instance, std::span<const std::uint8_t> address,
                bool frags) {
    LoadLog log;
    std::unique_ptr<xdp_bpf, Destroy> skeleton(xdp_bpf::open());
    if (!skeleton) return system_error("open the xdp object");
    auto& device = skeleton->rodata->bp_xdp_device;
    std::copy_n(address.begin(), std::min(address.size(), sizeof(device.address)), device.address);
    device.frags = frags;
    std::uint32_t flags = bpf_program__flags(skeleton->progs.bp_xdp_in);
    if (frags) flags |= BPF_F_XDP_HAS_FRAGS;
    bpf_program__set_flags(skeleton->progs.bp_xdp_in, flags);
    BP_TRY(use_instance_maps(skeleton->obj, instance), "load the xdp program");
    if (int error = xdp_bpf::load(skeleton.get()); error != 0)
        return system_error("load the xdp program", -error, LoadLog::reason());
    Fd program(fcntl(bpf_program__fd(skeleton->progs.bp_xdp_in), F_DUPFD_CLOEXEC, 3));
    if (!program) return system_error("keep the xdp program");
    return program;
}

} // namespace

Result<Fd> load_xdp_program(const std::filesystem::path& instance,
                            std::span<const std::uint8_t> address) {
    auto program = load(instance, address, true);
    if (program || program.error().code == EPERM) return program;
    return load(instance, address, false); // before 5.18
}

const void* xdp_object_bytes(std::size_t* size) { return xdp_bpf::elf_bytes(size); }

} // namespace bpfport
