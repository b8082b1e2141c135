// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/heap.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace bpfport {

void grow_heap(std::size_t bytes) {
    constexpr std::uintptr_t kPage = std::uintptr_t{2} << 20;
    const auto size = static_cast<int>(bytes);
    mallopt(M_MMAP_THRESHOLD, size); // else each large one is a mapping of its own
    mallopt(M_TRIM_THRESHOLD, size);
    mallopt(M_TOP_PAD, size);
    void* next = std::malloc(kPage); // the heap grows by that and the pad
    const auto first = (reinterpret_cast<std::uintptr_t>(next) + kPage - 1) & ~(kPage - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(sbrk(0)) & ~(kPage - 1);
    if (next && first < end && end - first <= 2 * bytes) // else it is not of the heap
        madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE); // refused: slower
    std::free(next);
    mallopt(M_TOP_PAD, 128 << 10); // glibc's own
}

} // namespace bpfport
