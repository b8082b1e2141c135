// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Round: the work that follows events, in a process of its own: the one that stays has no part of the memory that
// plans and loaded programs take, keeps answering the watchdog, and outlives whatever happens to the work.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "serve/report.hpp"

namespace bpfport {

class Round {
  public:
    static Result<Round> start(const std::function<ServeReport()>& work);
    Round(Round&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), pipe_(std::move(other.pipe_)),
          text_(std::move(other.text_)) {}
    Round& operator=(Round&&) = delete;
    ~Round(); // waits for its end

    [[nodiscard]] int fd() const { return pipe_.get(); } // readable: take() has something to do
    // nullopt: it goes on. Doesn't wait.
    std::optional<Result<ServeReport>> take();

  private:
    Round(pid_t pid, Fd pipe) : pid_(pid), pipe_(std::move(pipe)) {}
    int wait();

    pid_t pid_ = 0;
    Fd pipe_;
    std::string text_;
};

} // namespace bpfport
