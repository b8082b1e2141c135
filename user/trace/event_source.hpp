// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// EventSource: a ring buffer that programs write events to, and the lease that they look at. There
// is one for the interfaces of each network namespace, and one for all cgroups of the machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/event.h"
#include "state/instance.hpp"

namespace bpfport {

class EventSource {
  public:
    // A ring buffer has one reader: another's is an error, until that one ends.
    static Result<EventSource> of_interfaces(const std::shared_ptr<Instance>& instance);
    static Result<EventSource> of_cgroups(const Store& store);

    [[nodiscard]] int events() const { return events_.get(); }
    // CLOCK_MONOTONIC; 0: no trace runs any more.
    void lease_until(std::uint64_t time);
    // Events that were lost since it was opened because they came faster than they were read.
    [[nodiscard]] std::uint64_t lost() const;
    // False: everything was detached, there is nothing to watch any more.
    [[nodiscard]] bool attached() const;

  private:
    static Result<EventSource> open(std::filesystem::path directory, const char* pin,
                                    std::shared_ptr<bp_trace_lease> lease, const char* whose);

    std::filesystem::path directory_;
    Fd lock_;
    Fd events_;
    std::shared_ptr<bp_trace_lease> lease_; // in kernel memory
    std::uint64_t lost_before_ = 0;
};

} // namespace bpfport
