// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/event_source.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <atomic>

#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "kernel/map.hpp"

namespace bpfport {

Result<EventSource> EventSource::open(std::filesystem::path directory, const char* pin,
                                      std::shared_ptr<bp_trace_lease> lease, const char* whose) {
    EventSource source;
    source.lock_ = Fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!source.lock_) return system_error(fmt::format("open {}", directory.native()));
    if (flock(source.lock_.get(), LOCK_EX | LOCK_NB) != 0)
        return failure(fmt::format("another trace is watching {}", whose),
                       "end that one first, or use its output");
    auto events = open_pin(directory / pin);
    if (!events) return std::unexpected(events.error());
    source.events_ = std::move(*events);
    source.directory_ = std::move(directory);
    source.lease_ = std::move(lease);
    source.lost_before_ = std::atomic_ref(source.lease_->lost).load();
    return source;
}

Result<EventSource> EventSource::of_interfaces(const std::shared_ptr<Instance>& instance) {
    return open(instance->path(), pins::kEvents, {instance, &instance->table().lease()},
                "this network namespace");
}

Result<EventSource> EventSource::of_cgroups(const Store& store) {
    auto directory = store.path(kHostDirectory);
    auto map = open_pin(directory / pins::kHostLease);
    if (!map) return std::unexpected(map.error());
    auto mapped =
        Mapped<bp_trace_lease>::open(*map, Mapping::kWritable, "the lease of cgroup events");
    if (!mapped) return std::unexpected(mapped.error());
    auto lease = std::make_shared<Mapped<bp_trace_lease>>(std::move(*mapped));
    return open(std::move(directory), pins::kHostEvents, {lease, &**lease}, "cgroups");
}

void EventSource::lease_until(std::uint64_t time) {
    std::atomic_ref<__u64>(lease_->expires).store(time);
}

std::uint64_t EventSource::lost() const {
    return std::atomic_ref(lease_->lost).load() - lost_before_;
}

bool EventSource::attached() const {
    std::error_code ignored;
    return std::filesystem::exists(directory_, ignored);
}

} // namespace bpfport
