// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a frame must be after one of its ports was changed, byte for byte. A checksum that was right
// is summed up anew from all it covers; one that is not in reach (a fragment, a cut quote) or was
// wrong moves by the difference, so that it stays as right or wrong as it was. "None" stays none.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "harness/bytes.hpp"
#include "harness/model.hpp"

namespace bpfport::test {

enum class Where { kSource, kDestination, kQuotedSource, kQuotedDestination };

// Throws std::invalid_argument when the frame has no such port.
Bytes translate(const Bytes& before, Where where, std::uint16_t port,
                Start start = Start::kEthernet);

// EXPECT_TRUE(expect_translation(...)): on failure, both frames described and the bytes that
// differ.
testing::AssertionResult expect_translation(const Bytes& before, const Bytes& after, Where where,
                                            std::uint16_t port, Start start = Start::kEthernet);
testing::AssertionResult expect_untouched(const Bytes& before, const Bytes& after,
                                          Start start = Start::kEthernet);

} // namespace bpfport::test
