// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The compiled sklookup programs, loaded with the maps of an instance, and whether this kernel can
// run them at all.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"
#include "facts/host_facts.hpp"

namespace bpfport {

// What this host can do, found by doing it.
SklookupSupport probe_sklookup();
bool sk_lookup_has_ifindex();

struct SklookupConfig {
    std::uint64_t netns_cookie = 0;
    bool has_ifindex = false;
};

// Pins programs into `directory`. Their maps are those of the instance in `instance`.
Result<void> load_sklookup_object(const std::filesystem::path& directory,
                                  const std::filesystem::path& instance,
                                  const SklookupConfig& config);

// Differs whenever the compiled programs do.
std::uint64_t sklookup_object_build();

} // namespace bpfport
