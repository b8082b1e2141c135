// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/object.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace bpfport {
namespace {

constexpr std::uint64_t kStart = 0xcbf29ce484222325ULL;

// By it one build's programs are told from another's, which may differ in a single bit anywhere.
TEST(ObjectDigest, EveryBitAndTheLengthCount) {
    const std::string bytes(37, 'x');
    std::set<std::uint64_t> seen{digest(bytes.data(), bytes.size(), kStart)};
    for (std::size_t at = 0; at < bytes.size(); at++)
        for (int bit = 0; bit < 8; bit++) {
            std::string other = bytes;
            other[at] = static_cast<char>(other[at] ^ 1 << bit);
            EXPECT_TRUE(seen.insert(digest(other.data(), other.size(), kStart)).second) << at;
        }
    for (std::size_t length = 0; length < bytes.size(); length++)
        EXPECT_TRUE(seen.insert(digest(bytes.data(), length, kStart)).second) << length;
}

TEST(ObjectDigest, GoesOnFromAnObjectBefore) {
    const std::string one = "first", two = "second object";
    const auto first = digest(one.data(), one.size(), kStart);
    EXPECT_NE(digest(two.data(), two.size(), first), digest(two.data(), two.size(), kStart));
    EXPECT_EQ(digest(two.data(), two.size(), first), digest(two.data(), two.size(), first));
}

} // namespace
} // namespace bpfport
