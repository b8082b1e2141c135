// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of the harness share: they need root and ip.
#pragma once

#include <gtest/gtest.h>

#include "harness/environment.hpp"

namespace bpfport::test {

class Harness : public testing::Test {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        REQUIRE_PROGRAM("ip");
    }
};

} // namespace bpfport::test
