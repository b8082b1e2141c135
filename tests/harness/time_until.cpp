// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/time_until.hpp"

#include <thread>

#include "harness/amount.hpp"

namespace bpfport::test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::optional<std::chrono::milliseconds> time_until(const std::function<bool()>& holds,
                                                    std::chrono::milliseconds patience) {
    const auto start = Clock::now();
    for (;;) {
        const bool held = holds();
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
        if (held) return took;
        if (took > in_time(patience)) return std::nullopt;
        std::this_thread::sleep_for(10ms);
    }
}

} // namespace bpfport::test
