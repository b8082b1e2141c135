// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/heap.hpp"

#include <unistd.h>

#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>

namespace bpfport {
namespace {

constexpr std::size_t kLarge = std::size_t{5} << 20; // glibc maps it by itself otherwise

TEST(Heap, LargeAllocationsAreInIt) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "AddressSanitizer has an allocator of its own";
#endif
    const void* before = sbrk(0);
    grow_heap(3 * kLarge);
    EXPECT_GE(static_cast<const char*>(sbrk(0)), static_cast<const char*>(before) + 2 * kLarge);
    const std::unique_ptr<void, decltype(&std::free)> one(std::malloc(kLarge), &std::free),
        two(std::malloc(kLarge), &std::free);
    EXPECT_LT(one.get(), sbrk(0));
    EXPECT_LT(two.get(), sbrk(0));
}

} // namespace
} // namespace bpfport
