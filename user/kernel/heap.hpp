// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Heap: memory for large allocations that are about to be made, mapped in few pages.
#pragma once

#include <cstddef>

namespace bpfport {

// Takes so many bytes from the kernel at once, in pages of 2 MB where it has them, for the allocations
// of this thread that follow, those of megabytes too. To be called by the main thread, whose heap it is.
void grow_heap(std::size_t bytes);

} // namespace bpfport
