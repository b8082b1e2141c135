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

// The maps of the rule table that are pinned in the directory.
Result<TableMaps> table_maps(const std::filesystem::path& directory);

class Instance {
  public:
    // Refuses one that a version with another ABI wrote.
    static Result<Instance> open(const Store& store, std::uint64_t netns, Store::Access access);
    // Whether open() would. Maps nothing: a table of 60,000 rules is thousands of pages.
    static Result<void> check(const Store& store, std::uint64_t netns);

    [[nodiscard]] std::uint64_t netns() const { return netns_; }
    [[nodiscard]] const bp_netns_meta& meta() const { return meta_; }
    // Whether its tc programs are those of the direct object; told to later commands too.
    Result<void> note_direct_write(bool direct_write);
    [[nodiscard]] Table& table() { return table_; }
    [[nodiscard]] const Table& table() const { return table_; }
    [[nodiscard]] const Directory& directory() const { return directory_; }
    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
    // Any of its pins (state/pins.hpp).
    [[nodiscard]] Result<Fd> open_pin(const char* name) const { return directory_.open(name); }

  private:
    Instance(Directory directory, std::uint64_t netns, bp_netns_meta meta, Table table)
        : directory_(std::move(directory)), netns_(netns), meta_(meta), table_(std::move(table)) {}
    Directory directory_;
    std::uint64_t netns_;
    bp_netns_meta meta_;
    Table table_;
};

} // namespace bpfport
