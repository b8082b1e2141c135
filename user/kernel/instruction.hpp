// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Instructions of the few programs that are written here and not compiled: probes.
#pragma once

#include <cstdint>

#include <linux/bpf.h>

namespace bpfport {

constexpr bpf_insn instruction(int code, int dst, int src, int off, std::int32_t imm) {
    bpf_insn one{};
    one.code = static_cast<__u8>(code);
    one.dst_reg = static_cast<__u8>(dst & 0xf);
    one.src_reg = static_cast<__u8>(src & 0xf);
    one.off = static_cast<__s16>(off);
    one.imm = imm;
    return one;
}

} // namespace bpfport
