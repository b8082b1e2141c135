// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Tracer: reads the events of a network namespace's programs, and those of all cgroups, while it
// lives (bpfport/event.h).
//
// It holds leases that it renews on every poll(), and gives them up at its end; one that was killed
// leaves leases that end by themselves within kLease.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "bpfport/event.h"
#include "state/instance.hpp"
#include "trace/event_source.hpp"

struct ring_buffer;

namespace bpfport {

class Tracer {
  public:
    static constexpr std::chrono::seconds kLease{3};
    using Visit = std::function<void(const bp_event&)>;

    // Of the current netns. Holds no lock of the store afterwards: rules may change meanwhile.
    static Result<Tracer> open(const Store& store);
    // Of all cgroups.
    static Result<Tracer> open_cgroups(const Store& store);
    // Of both, or of what there is and nobody else watches.
    static Result<Tracer> open_all(const Store& store);
    Tracer(Tracer&&) noexcept;
    Tracer& operator=(Tracer&&) = delete;
    ~Tracer();

    // Waits for events, at most so long; a signal ends the wait. To be called at least every
    // second.
    Result<void> poll(std::chrono::milliseconds patience, const Visit& visit);
    // Those that are there already.
    Result<void> read(const Visit& visit);

    [[nodiscard]] std::uint64_t lost() const; // of all sources, see there
    [[nodiscard]] bool attached() const;      // one source is
    // Of the netns; null when only cgroups are traced.
    [[nodiscard]] const std::shared_ptr<Instance>& instance() const { return instance_; }

  private:
    struct Reader;
    struct Free {
        void operator()(ring_buffer* ring) const;
    };
    Tracer();
    Result<void> add(Result<EventSource> source);
    void renew();

    std::shared_ptr<Instance> instance_;
    std::vector<EventSource> sources_;
    std::unique_ptr<Reader> reader_;
    std::unique_ptr<ring_buffer, Free> ring_; // after what it reads from
};

// CLOCK_MONOTONIC, the clock of events.
std::uint64_t monotonic_ns();

} // namespace bpfport
