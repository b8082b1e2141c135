// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// user/engine/tc_object.cpp as it ships, over programs that the verifier refuses (refused.bpf.c):
// linked before the library, it makes a bpfport whose every command meets them.
#include "bpfport/table.h"

// These name the types of the header above.
#include "refused.skel.h"
#include "tc_direct.skel.h"
#include "tc_helper.skel.h"

#define tc_direct_bpf refused_bpf
#define tc_helper_bpf refused_bpf
#include "engine/tc_object.cpp"
