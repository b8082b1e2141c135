// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The inode of a network namespace names its instance, and is given to another one as soon as it has
// ended; its cookie is never used again.
#pragma once

#include "state/instance.hpp"

namespace bpfport {

// False when the instance is of a namespace that has ended, whose inode the current one has. True as
// well where the kernel tells no cookie.
bool is_of_this_netns(const Instance& instance);

} // namespace bpfport
