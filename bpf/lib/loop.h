/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Loop: a loop whose body the verifier checks once.
 *
 * The verifier follows every pass of a loop that clang makes, and compares its state at each pass with
 * those of all passes before. bpf_loop() (5.17) takes the body as a function, which is checked once.
 * Objects that must load before 5.13 can't have it: older kernels don't know a function's address.
 */
#ifndef BPFPORT_LIB_LOOP_H
#define BPFPORT_LIB_LOOP_H

#include "lib/kernel.h"

#ifdef DIRECT_WRITE
#define HAS_LOOP DIRECT_WRITE /* tc's direct object needs 6.2, the helper one loads on 5.10 */
#else
const volatile bool bp_has_loop;
#define HAS_LOOP bp_has_loop
#endif

#define LOOP_GO_ON 0
#define LOOP_END 1

/* Calls body(0, state) to body(passes - 1, state), until one returns LOOP_END. `body` is a static
 * long (__u32 pass, STATE* state). */
#define LOOP(passes, body, state)                                                                  \
    do {                                                                                           \
        if (HAS_LOOP)                                                                              \
            bpf_loop(passes, body, state, 0);                                                      \
        else                                                                                       \
            for (__u32 loop_pass = 0; loop_pass < (passes); loop_pass++)                           \
                if (body(loop_pass, state) == LOOP_END) break;                                     \
    } while (0)

#endif
