// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// StoreLock: flock on the store's directory, and the stamp by which a reader sees that a command
// changed something.
//
//                       holds the lock           for how long
//   a command           exclusive                from open to end
//   a reader            shared                   to read the stamp: microseconds
//   a reader that commands disturbed repeatedly
//                       exclusive                one look
//
// Commands wait in the kernel's queue, however many readers come meanwhile. The stamp is the
// directory's modification time. A command sets a new one when it has taken the lock and again
// before it releases it: a reader that finds the same stamp before and after has seen one state.
#pragma once

#include <ctime>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// `how`: LOCK_SH or LOCK_EX. Waits as long as others come and go; gives up on one that has held it
// for 30 s.
Result<void> lock_store(const Fd& directory, int how);
void unlock_store(const Fd& directory);

struct Stamp {
    timespec time{};
    bool operator==(const Stamp& other) const {
        return time.tv_sec == other.time.tv_sec && time.tv_nsec == other.time.tv_nsec;
    }
};
Stamp store_stamp(const Fd& directory);
Result<void> stamp_store(const Fd& directory);

} // namespace bpfport
