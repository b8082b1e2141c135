// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The maps of a rule table as memory files: the table does not know.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "state/table.hpp"

namespace bpfport {

inline TableMaps memory_maps(TableCapacity capacity) {
    const auto file = [](std::size_t size) {
        Fd memory(::memfd_create("table", MFD_CLOEXEC));
        EXPECT_EQ(::ftruncate(memory.get(), static_cast<off_t>(size + 65536)), 0);
        return memory;
    };
    return {file(sizeof(bp_table)), file(2 * capacity.rules * sizeof(bp_rule)),
            file(2 * capacity.spans * sizeof(bp_span)), capacity};
}

} // namespace bpfport
