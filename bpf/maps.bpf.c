// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The maps of a network namespace, without a program. The loader creates and pins them first; the
 * objects with programs, which define them as well, are loaded over the pinned ones, side by side.
 */
#define GLOBAL static __attribute__((unused)) /* no function is compiled */

#include "lib/admit.h"
#include "lib/cookies.h"
#include "lib/count.h"
#include "lib/decide.h"
#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/reply.h"
#include "lib/rules.h"
#include "lib/trace.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
