// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/xdp_object.hpp"

#include <fcntl.h>

#include <algorithm>

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpfport/table.h"
#include "engine/instance_maps.hpp"
#include "engine/object_trial.hpp"
#include "kernel/object.hpp"
#include "xdp.skel.h"

namespace bpfport {

namespace {

Result<Object<xdp_bpf>> open(std::span<const std::uint8_t> address, bool frags) {
    auto object = Object<xdp_bpf>::open();
    if (!object) return object;
    (*object)->rodata->bp_tick_shift = tick_shift();
    auto& device = (*object)->rodata->bp_xdp_device;
    std::copy_n(address.begin(), std::min(address.size(), sizeof(device.address)), device.address);
    device.frags = frags;
    bpf_program* program = (*object)->progs.bp_xdp_in;
    std::uint32_t flags = bpf_program__flags(program);
    if (frags) flags |= BPF_F_XDP_HAS_FRAGS;
    bpf_program__set_flags(program, flags);
    return object;
}

Result<Fd> load(const std::filesystem::path& instance, std::span<const std::uint8_t> address,
                bool frags) {
    auto object = open(address, frags);
    if (!object) return std::unexpected(object.error());
    BP_TRY(use_instance(**object, instance), "load the xdp program");
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    Fd program(fcntl(bpf_program__fd((*object)->progs.bp_xdp_in), F_DUPFD_CLOEXEC, 3));
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

void try_xdp_object(const ObjectTrial& trial) {
    auto object = open({}, true);
    if (auto whole = object ? object->load() : Loaded{}; object && whole)
        return trial(object_name(*(*object)->skeleton), whole);
    try_object(trial, open({}, false));
}

std::uint64_t xdp_object_digest(std::uint64_t before) { return object_digest<xdp_bpf>(before); }

} // namespace bpfport
