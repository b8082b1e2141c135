// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/tracer.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <atomic>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "kernel/netns.hpp"

namespace bpfport {

struct Tracer::Reader {
    const Visit* visit = nullptr;
    std::uint64_t since = 0; // older ones were meant for a reader that died

    static int take(void* context, void* data, std::size_t size) {
        auto* reader = static_cast<Reader*>(context);
        auto* event = static_cast<const bp_event*>(data);
        if (size >= sizeof(bp_event) && event->time >= reader->since && reader->visit)
            (*reader->visit)(*event);
        return 0;
    }
};

void Tracer::Free::operator()(ring_buffer* ring) const {
    ring_buffer__free(ring);
}

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

namespace {

std::atomic_ref<__u64> lease(Instance& instance) {
    return std::atomic_ref<__u64>(instance.table().watch().until);
}

Result<std::unique_ptr<Instance>> open_instance(const std::filesystem::path& root) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    auto store = Store::open(root, Store::Access::kRead);
    if (!store) return std::unexpected(store.error());
    if (!store->has(instance_name(*netns)))
        return failure("nothing is attached in this network namespace",
                       "bpfport attach eth0 80:3000");
    auto instance = Instance::open(*store, *netns, Store::Access::kChange);
    if (!instance) return std::unexpected(instance.error());
    return std::make_unique<Instance>(std::move(*instance));
}

} // namespace

Tracer::Tracer(std::unique_ptr<Instance> instance, Fd lock)
    : instance_(std::move(instance)), lock_(std::move(lock)), reader_(std::make_unique<Reader>()) {}

Result<Tracer> Tracer::open(const std::filesystem::path& root) {
    auto instance = open_instance(root);
    if (!instance) return std::unexpected(instance.error());
    Fd lock(::open((*instance)->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock) return system_error(fmt::format("open {}", (*instance)->path().native()));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
        return failure("another trace is watching this network namespace",
                       "end that one first, or use its output");
    auto events = (*instance)->open_pin(pins::kEvents);
    if (!events) return std::unexpected(events.error());

    Tracer tracer(std::move(*instance), std::move(lock));
    tracer.ring_.reset(
        ring_buffer__new(events->get(), Reader::take, tracer.reader_.get(), nullptr));
    if (!tracer.ring_) return system_error("open the ring buffer of events");
    tracer.reader_->since = monotonic_ns();
    tracer.lost_before_ = std::atomic_ref(tracer.instance_->table().watch().lost).load();
    tracer.renew();
    return tracer;
}

Tracer::~Tracer() {
    if (instance_ && ring_) lease(*instance_).store(0);
}

void Tracer::renew() {
    lease(*instance_).store(monotonic_ns() + std::chrono::nanoseconds(kLease).count());
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

std::uint64_t Tracer::lost() {
    return std::atomic_ref(instance_->table().watch().lost).load() - lost_before_;
}

bool Tracer::attached() const {
    std::error_code ignored;
    return std::filesystem::exists(instance_->path(), ignored);
}

} // namespace bpfport
