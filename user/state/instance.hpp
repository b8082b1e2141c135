// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Instance: what all attachments of a network namespace share, netns-<inode>/ in the store: the
// rule table, counters, flows, and the programs that every interface and lo run.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/meta.h"
#include "state/store.hpp"
#include "state/table.hpp"

namespace bpfport {

// The names of pins in an instance's directory; the only place where they are spelled.
namespace pins {
inline constexpr const char* kMeta = "meta";
inline constexpr const char* kTable = "table";
inline constexpr const char* kAddresses = "addresses";
inline constexpr const char* kCounters = "counters";
inline constexpr const char* kOutcomes = "outcomes";
inline constexpr const char* kEvents = "events";
inline constexpr const char* kRecords = "records";
inline constexpr const char* kHints = "hints";
inline constexpr const char* kUdpFlows = "udp_flows";
inline constexpr const char* kForwardTcp = "forward_tcp";
inline constexpr const char* kForwardUdp = "forward_udp";
inline constexpr const char* kListeners = "listeners";
inline constexpr const char* kGroups = "groups";
inline constexpr const char* kTcIn = "tc_in";
inline constexpr const char* kTcOut = "tc_out";
inline constexpr const char* kTcInL3 = "tc_in_l3";
inline constexpr const char* kTcOutL3 = "tc_out_l3";
} // namespace pins

class Instance {
  public:
    // Refuses one that a version with another ABI wrote.
    static Result<Instance> open(const Store& store, std::uint64_t netns, Store::Access access);

    [[nodiscard]] std::uint64_t netns() const { return netns_; }
    [[nodiscard]] const bp_netns_meta& meta() const { return meta_; }
    [[nodiscard]] Table& table() { return table_; }
    [[nodiscard]] const Table& table() const { return table_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    // Any of the pins above.
    [[nodiscard]] Result<Fd> open_pin(const char* name) const;

  private:
    Instance(std::filesystem::path path, std::uint64_t netns, bp_netns_meta meta, Table table)
        : path_(std::move(path)), netns_(netns), meta_(meta), table_(std::move(table)) {}
    std::filesystem::path path_;
    std::uint64_t netns_;
    bp_netns_meta meta_;
    Table table_;
};

// A map of one struct named `meta`, filled and pinned below `directory`.
Result<void> pin_meta(const std::filesystem::path& directory, const void* value, std::size_t size);

} // namespace bpfport
