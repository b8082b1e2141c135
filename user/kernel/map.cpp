// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/map.hpp"

#include <bpf/libbpf.h>

namespace bpfport {

namespace {

Result<std::size_t> count_cpus() {
    const int count = libbpf_num_possible_cpus(); // it keeps what it has read
    if (count < 1) return system_error("count CPUs", -count);
    return static_cast<std::size_t>(count);
}

} // namespace

Result<void> sum_cpus(const Fd& map, std::uint32_t key, std::span<std::uint64_t> sum) {
    auto cpus = count_cpus();
    if (!cpus) return std::unexpected(cpus.error());
    std::vector<std::uint64_t> all(sum.size() * *cpus);
    if (bpf_map_lookup_elem(map.get(), &key, all.data()) != 0) return system_error("read counters");
    for (std::size_t i = 0; i < all.size(); i++) sum[i % sum.size()] += all[i];
    return {};
}

Result<void> clear_cpus(const Fd& map, std::uint32_t key, std::size_t counters) {
    auto cpus = count_cpus();
    if (!cpus) return std::unexpected(cpus.error());
    const std::vector<std::uint64_t> zero(counters * *cpus);
    if (bpf_map_update_elem(map.get(), &key, zero.data(), BPF_EXIST) != 0)
        return system_error("clear counters");
    return {};
}

} // namespace bpfport
