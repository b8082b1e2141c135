// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ServeLock: one serve for each state directory. A record lock on a file in /run/bpfport, which the kernel releases
// with the process and of which it tells whose it is. What is in force doesn't depend on it.
#pragma once

#include <filesystem>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

class ServeLock {
  public:
    // `root`: the state directory. An error names the process that has it.
    static Result<ServeLock> take(const std::filesystem::path& root);
    ServeLock(ServeLock&&) noexcept = default;
    ServeLock& operator=(ServeLock&&) = delete;
    ~ServeLock();

  private:
    ServeLock(std::filesystem::path path, Fd file)
        : path_(std::move(path)), file_(std::move(file)) {}
    std::filesystem::path path_;
    Fd file_;
};

} // namespace bpfport
