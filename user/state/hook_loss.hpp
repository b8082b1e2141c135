// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is wrong with the hooks of an interface, as far as the kernel runs them still.
#pragma once

#include <string>

namespace bpfport {

struct RunningHooks {
    bool in = false, out = false;
};

// What has become of hooks that are not whole, and what clients see of it; empty: they are whole.
std::string hook_loss(RunningHooks hooks);

} // namespace bpfport
