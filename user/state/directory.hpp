// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Directory: one directory of the store, and what each kind is called. The names are spelled here and
// nowhere else, those of the pins inside in state/pins.hpp. A directory that a version with another
// ABI made is refused when it is opened, whatever its kind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/meta.h"
#include "kernel/bpf.hpp"
#include "state/pins.hpp"

namespace bpfport {

inline constexpr std::string_view kStagingPrefix = "staging-";
inline constexpr const char* kHostDirectory = "host";
inline constexpr const char* kLocalClientsDirectory = "local_clients";
inline constexpr const char* kLocalClientsDirectoryOfAbi2 = "neighbours";
inline constexpr const char* kGuardDirectory = "guard";

struct TcName {
    std::uint64_t netns = 0;
    unsigned ifindex = 0;
};

std::string instance_name(std::uint64_t netns);
std::string tc_name(std::uint64_t netns, unsigned ifindex);
std::string sklookup_name(std::uint64_t netns);
std::string cgroup_attachment_name(std::uint64_t cgroup);
// False: the name is of another kind, or its number is not written as above.
bool parse_instance_name(std::string_view name, std::uint64_t& netns);
bool parse_tc_name(std::string_view name, TcName& out);
bool parse_sklookup_name(std::string_view name, std::uint64_t& netns);
bool parse_cgroup_attachment_name(std::string_view name, std::uint64_t& cgroup);
// The network namespace that a directory belongs to; false: to none, or to no single one.
bool parse_netns_of(std::string_view name, std::uint64_t& netns);

inline constexpr const char* kUnreadableText = "can't be read: another version of bpfport made it";
inline constexpr const char* kUnreadableHint =
    "it is kept as it is; use that version, or bpfport detach --all and attach again";

class Directory {
  public:
    explicit Directory(std::filesystem::path path) : path_(std::move(path)) {}

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] Result<Fd> open(const char* pin) const { return open_pin(path_ / pin); }

    // What `meta` says. An error when it is not there, of another size or of another ABI.
    template <typename Meta> [[nodiscard]] Result<Meta> meta() const {
        auto map = open(pins::kMeta);
        if (!map) return std::unexpected(map.error());
        auto meta = read_struct<Meta>(*map, (path_ / pins::kMeta).native());
        if (meta && meta->abi != BP_ABI) return other_version();
        return meta;
    }
    // Makes `meta`, which is not there yet.
    template <typename Meta> [[nodiscard]] Result<void> describe(const Meta& meta) const {
        return make_meta(&meta, sizeof(meta));
    }
    // `meta` says this from now on.
    template <typename Meta> [[nodiscard]] Result<void> describe_anew(const Meta& meta) const {
        auto map = open(pins::kMeta);
        if (!map) return std::unexpected(map.error());
        return write_struct(*map, meta, (path_ / pins::kMeta).native());
    }
    // The error of a directory that can't be read.
    [[nodiscard]] std::unexpected<Error> other_version() const;

  private:
    [[nodiscard]] Result<void> make_meta(const void* value, std::size_t size) const;
    std::filesystem::path path_;
};

} // namespace bpfport
