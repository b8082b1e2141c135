// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What comes about after a while.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

namespace bpfport::test {

// Asks until it holds; the time that took, or nullopt.
std::optional<std::chrono::milliseconds>
time_until(const std::function<bool()>& holds,
           std::chrono::milliseconds patience = std::chrono::seconds(5));

} // namespace bpfport::test
