// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/hook_loss.hpp"

namespace bpfport {

std::string hook_loss(RunningHooks hooks) {
    if (hooks.in && hooks.out) return {};
    if (hooks.in)
        return "our program on the way out is gone: replies keep the target port, so clients get "
               "no answer";
    if (hooks.out) return "our program on the way in is gone: nothing is redirected";
    return "our programs are gone from it: another program removed them, or the interface was made "
           "anew";
}

} // namespace bpfport
