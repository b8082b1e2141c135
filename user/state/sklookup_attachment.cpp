// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/sklookup_attachment.hpp"

#include <algorithm>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"

namespace bpfport {

Result<SklookupAttachment> SklookupAttachment::open(const Store& store, std::uint64_t netns) {
    Directory directory(store.path(sklookup_name(netns)));
    auto meta = directory.meta<bp_sklookup_meta>();
    if (!meta) return std::unexpected(meta.error());
    return SklookupAttachment(std::move(directory), *meta);
}

std::uint32_t SklookupAttachment::program(const char* link) const {
    auto opened = directory_.open(link);
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
    auto opened = directory_.open(link);
    if (!opened) return std::unexpected(opened.error());
    if (bpf_link_update(opened->get(), program.get(), nullptr) != 0)
        return system_error(fmt::format("update {}", link));
    return {};
}

} // namespace bpfport
