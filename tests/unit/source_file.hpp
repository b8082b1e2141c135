// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A file of the source tree, as tests compare the code with.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace bpfport::test {

// `name` is relative to the tree's root.
inline std::string source_file(const std::string& name) {
    std::ifstream in(std::string(BPFPORT_SOURCE) + "/" + name);
    EXPECT_TRUE(in) << name;
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

} // namespace bpfport::test
