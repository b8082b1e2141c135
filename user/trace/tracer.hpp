// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Tracer: reads the events of a network namespace's programs while it lives (bpfport/event.h).
//
// It holds a lease that it renews on every poll(), and gives it up at its end; one that was killed
// leaves a lease that ends by itself within kLease. One tracer at a time: a ring buffer has one
// reader.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/error.hpp"
#include "bpfport/event.h"
#include "state/instance.hpp"

struct ring_buffer;

namespace bpfport {

class Tracer {
  public:
    static constexpr std::chrono::seconds kLease{3};
    using Visit = std::function<void(const bp_event&)>;

    // Of the current netns. Holds no lock of the store afterwards: rules may change meanwhile.
    static Result<Tracer> open(const std::filesystem::path& root);
    Tracer(Tracer&&) noexcept = default;
    Tracer& operator=(Tracer&&) = delete;
    ~Tracer();

    // Waits for events, at most so long; a signal ends the wait. To be called at least every
    // second.
    Result<void> poll(std::chrono::milliseconds patience, const Visit& visit);
    // Those that are there already.
    Result<void> read(const Visit& visit);

    // Events that were lost since it was opened because they came faster than they were read.
    [[nodiscard]] std::uint64_t lost();
    // False: everything was detached, there is nothing to watch any more.
    [[nodiscard]] bool attached() const;
    [[nodiscard]] Instance& instance() { return *instance_; }

  private:
    struct Reader;
    struct Free {
        void operator()(ring_buffer* ring) const;
    };
    Tracer(std::unique_ptr<Instance> instance, Fd lock);
    void renew();

    std::unique_ptr<Instance> instance_; // on the heap, so that a moved-from tracer has none
    Fd lock_;
    std::unique_ptr<Reader> reader_;
    std::unique_ptr<ring_buffer, Free> ring_;
    std::uint64_t lost_before_ = 0;
};

// CLOCK_MONOTONIC, the clock of events.
std::uint64_t monotonic_ns();

} // namespace bpfport
