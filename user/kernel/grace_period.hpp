// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Grace period: whatever our programs read before, none of them still reads it afterwards.
#pragma once

#include <cstdint>

namespace bpfport {

// A program runs in a read-side section of RCU and may be preempted there for as long as others take,
// and two changes of a table may come one right after the other: the side that is about to be
// written was in force until the first of them. Takes the kernel some milliseconds. Where it can't be
// had (nohz_full), such a program may read a mixture of two states.
void wait_for_readers();

// The spare side of a table may be written after this, given how often the table was flipped: a side
// that was never in force has no readers, and the first change does not wait.
inline std::uint32_t spare_side(std::uint32_t flips) {
    if (flips != 0) wait_for_readers();
    return (flips & 1) ^ 1;
}

} // namespace bpfport
