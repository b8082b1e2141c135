// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/directory.hpp"

#include <charconv>

#include <bpf/bpf.h>
#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr std::string_view kInstance = "netns-", kTc = "tc-", kSklookup = "sklookup-",
                           kCgroup = "cgroup-";

// As fmt writes it: one number has one name.
bool parse_number(std::string_view text, auto& out) {
    if (text.size() > 1 && text.front() == '0') return false;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse(std::string_view name, std::string_view prefix, std::uint64_t& number) {
    return name.starts_with(prefix) && parse_number(name.substr(prefix.size()), number);
}

} // namespace

std::string instance_name(std::uint64_t netns) { return fmt::format("{}{}", kInstance, netns); }

std::string tc_name(std::uint64_t netns, unsigned ifindex) {
    return fmt::format("{}{}-{}", kTc, netns, ifindex);
}

std::string sklookup_name(std::uint64_t netns) { return fmt::format("{}{}", kSklookup, netns); }

std::string cgroup_attachment_name(std::uint64_t cgroup) {
    return fmt::format("{}{}", kCgroup, cgroup);
}

bool parse_instance_name(std::string_view name, std::uint64_t& netns) {
    return parse(name, kInstance, netns);
}

bool parse_tc_name(std::string_view name, TcName& out) {
    if (!name.starts_with(kTc)) return false;
    name.remove_prefix(kTc.size());
    auto dash = name.find('-');
    return dash != std::string_view::npos && parse_number(name.substr(0, dash), out.netns) &&
           parse_number(name.substr(dash + 1), out.ifindex);
}

bool parse_sklookup_name(std::string_view name, std::uint64_t& netns) {
    return parse(name, kSklookup, netns);
}

bool parse_cgroup_attachment_name(std::string_view name, std::uint64_t& cgroup) {
    return parse(name, kCgroup, cgroup);
}

bool parse_netns_of(std::string_view name, std::uint64_t& netns) {
    TcName tc;
    if (!parse_tc_name(name, tc))
        return parse_instance_name(name, netns) || parse_sklookup_name(name, netns);
    netns = tc.netns;
    return true;
}

std::unexpected<Error> Directory::other_version() const {
    return failure(fmt::format("{} {}", path_.native(), kUnreadableText), kUnreadableHint);
}

Result<void> Directory::make_meta(const void* value, std::size_t size) const {
    Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bp_meta", sizeof(std::uint32_t),
                          static_cast<std::uint32_t>(size), 1, nullptr));
    if (!map) return system_error("create map bp_meta");
    BP_TRY(write_bytes(map, value, size, "bp_meta"), "fill");
    return pin(map, path_ / pins::kMeta);
}

} // namespace bpfport
