/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Multipath TCP (what Go's servers use since 1.24): bind and connect hooks run for the first
 * subflow, getsockname and getpeername for the whole. What we keep is kept with both.
 */
#ifndef BPFPORT_LIB_MPTCP_H
#define BPFPORT_LIB_MPTCP_H

#include "lib/kernel.h"

/* Whether the kernel can tell (bpf_skc_to_mptcp_sock, 5.19). Without, such a program is told the
 * target port instead of the listen port; all else is the same. */
const volatile bool bp_mptcp = true;

static __always_inline struct mptcp_sock* mptcp_of(struct bpf_sock* sk)
{
    return bp_mptcp ? bpf_skc_to_mptcp_sock(sk) : NULL;
}

#endif
