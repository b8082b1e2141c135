// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/sklookup_attachment.hpp"

#include <algorithm>
#include <charconv>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "state/instance.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace {

constexpr std::string_view kPrefix = "sklookup-";

} // namespace

std::string sklookup_name(std::uint64_t netns) { return fmt::format("{}{}", kPrefix, netns); }

bool parse_sklookup_name(std::string_view name, std::uint64_t& netns) {
    if (!name.starts_with(kPrefix)) return false;
    name.remove_prefix(kPrefix.size());
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), netns);
    return error == std::errc{} && end == name.data() + name.size();
}

Result<SklookupAttachment> SklookupAttachment::open(const Store& store, std::uint64_t netns) {
    auto path = store.path(sklookup_name(netns));
    auto map = open_pin(path / pins::kMeta);
    if (!map) return std::unexpected(map.error());
    auto meta = read_struct<bp_sklookup_meta>(*map, (path / pins::kMeta).native());
    if (!meta) return std::unexpected(meta.error());
    if (meta->abi != BP_ABI)
        return failure(fmt::format("{} {}", path.native(), kUnreadableText), kUnreadableHint);
    return SklookupAttachment(std::move(path), *meta);
}

std::uint32_t SklookupAttachment::program(const char* link) const {
    auto opened = open_pin(path_ / link);
    if (!opened) return 0;
    auto info = link_info(*opened);
    return info && info->target ? info->program_id : 0;
}

bool SklookupAttachment::alive() const {
    return program(pins::kLookupLink) && program(pins::kListenLink);
}

bool SklookupAttachment::sockname_alive() const {
    return std::ranges::all_of(kSocknameHooks,
                               [&](const SocknameHook& hook) { return program(hook.link) != 0; });
}

Result<void> SklookupAttachment::update(const char* link, const Fd& program) const {
    auto opened = open_pin(path_ / link);
    if (!opened) return std::unexpected(opened.error());
    if (bpf_link_update(opened->get(), program.get(), nullptr) != 0)
        return system_error(fmt::format("update {}", link));
    return {};
}

} // namespace bpfport
