// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/tracer.hpp"

#include <time.h>

#include <algorithm>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "engine/root_hooks.hpp"
#include "kernel/netns.hpp"
#include "state/netns_identity.hpp"

namespace bpfport {

struct Tracer::Reader {
    const Visit* visit = nullptr;
    std::uint64_t since = monotonic_ns(); // older ones were meant for a reader that died

    static int take(void* context, void* data, std::size_t size) {
        auto* reader = static_cast<Reader*>(context);
        auto* event = static_cast<const bp_event*>(data);
        if (size >= sizeof(bp_event) && event->time >= reader->since && reader->visit)
            (*reader->visit)(*event);
        return 0;
    }
};

void Tracer::Free::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

namespace {

Result<std::shared_ptr<Instance>> open_instance(const Store& store) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    const auto nothing = [] {
        return failure("nothing is attached in this network namespace",
                       "bpfport attach eth0 80:3000");
    };
    if (!store.has(instance_name(*netns))) return nothing();
    auto instance = Instance::open(store, *netns, Store::Access::kChange);
    if (!instance) return std::unexpected(instance.error());
    if (!is_of_this_netns(*instance)) return nothing();
    return std::make_shared<Instance>(std::move(*instance));
}

} // namespace

Tracer::Tracer(Tracer&&) noexcept = default;

Tracer::Tracer() : reader_(std::make_unique<Reader>()) {}

Result<void> Tracer::add(Result<EventSource> source) {
    if (!source) return std::unexpected(source.error());
    if (!ring_)
        ring_.reset(ring_buffer__new(source->events(), Reader::take, reader_.get(), nullptr));
    else if (int error =
                 ring_buffer__add(ring_.get(), source->events(), Reader::take, reader_.get());
             error != 0)
        return system_error("open another ring buffer of events", -error);
    if (!ring_) return system_error("open the ring buffer of events");
    sources_.push_back(std::move(*source));
    renew();
    return {};
}

Result<Tracer> Tracer::open(const Store& store) {
    auto instance = open_instance(store);
    if (!instance) return std::unexpected(instance.error());
    Tracer tracer;
    tracer.instance_ = std::move(*instance);
    if (auto added = tracer.add(EventSource::of_interfaces(tracer.instance_)); !added)
        return std::unexpected(added.error());
    return tracer;
}

Result<Tracer> Tracer::open_cgroups(const Store& store) {
    if (!store.has(kHostDirectory))
        return failure("no cgroup has a rule or a grant, and no port is guarded",
                       "bpfport grant unit:web 80");
    Tracer tracer;
    if (auto added = tracer.add(EventSource::of_cgroups(store)); !added)
        return std::unexpected(added.error());
    return tracer;
}

Result<Tracer> Tracer::open_all(const Store& store) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    bool cgroups = store.has(kHostDirectory);
    if (cgroups && !store.has(instance_name(*netns))) return open_cgroups(store);
    auto tracer = open(store);
    if (tracer && cgroups) (void)tracer->add(EventSource::of_cgroups(store));
    return tracer;
}

Tracer::~Tracer() {
    for (auto& source : sources_) source.lease_until(0);
}

void Tracer::renew() {
    auto end =
        monotonic_ns() + static_cast<std::uint64_t>(std::chrono::nanoseconds(kLease).count());
    for (auto& source : sources_) source.lease_until(end);
}

Result<void> Tracer::poll(std::chrono::milliseconds patience, const Visit& visit) {
    renew();
    reader_->visit = &visit;
    int count = ring_buffer__poll(ring_.get(), static_cast<int>(patience.count()));
    reader_->visit = nullptr;
    if (count < 0 && count != -EINTR) return system_error("wait for events", -count);
    return {};
}

Result<void> Tracer::read(const Visit& visit) {
    reader_->visit = &visit;
    int count = ring_buffer__consume(ring_.get());
    reader_->visit = nullptr;
    if (count < 0) return system_error("read events", -count);
    return {};
}

std::uint64_t Tracer::lost() const {
    std::uint64_t sum = 0;
    for (const auto& source : sources_) sum += source.lost();
    return sum;
}

bool Tracer::attached() const { return std::ranges::any_of(sources_, &EventSource::attached); }

} // namespace bpfport
