// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Random frames with a few rules, each alone on its port or beside one for an address.
#include "prog/property.hpp"

namespace bpfport::test {
namespace {

TEST_P(Random, FramesDoAsTheOracleSays) {
    all_as_the_oracle_says(from_environment("BPFPORT_FRAMES", 1000000), "80:3001");
}

BOTH_OBJECTS(Random);

} // namespace
} // namespace bpfport::test
