// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What other users of the machine try on the commands that root gives, and what states the tool may
// meet. Each test has the letter and number of docs/security.md.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {

class Trust : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) directory_ = "/tmp/" + unique_name();
        std::error_code ignored;
        std::filesystem::create_directory(directory_, ignored);
    }
    void TearDown() override {
        CgroupTest::TearDown();
        std::error_code ignored;
        if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
    }
    // A cgroup below the test's, gone before it.
    struct Below {
        explicit Below(std::string at) : path(std::move(at)) { ::mkdir(path.c_str(), 0755); }
        Below(const Below&) = delete;
        Below& operator=(const Below&) = delete;
        ~Below() { ::rmdir(path.c_str()); }
        std::string path;
    };
    std::string directory_;
};

} // namespace bpfport::test
