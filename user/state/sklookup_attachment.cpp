// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/sklookup_attachment.hpp"

#include <algorithm>

namespace bpfport {

Result<SklookupAttachment> SklookupAttachment::open(const Store& store, std::uint64_t netns) {
    Directory directory(store.path(sklookup_name(netns)));
    auto meta = directory.meta<bp_sklookup_meta>();
    if (!meta) return std::unexpected(meta.error());
    return SklookupAttachment(std::move(directory), *meta);
}

bool SklookupAttachment::alive() const {
    return linked_program(path(), kLookupHook) && linked_program(path(), kListenHook);
}

bool SklookupAttachment::sockname_alive() const {
    return std::ranges::all_of(kSocknameHooks,
                               [&](const Hook& hook) { return linked_program(path(), hook); });
}

} // namespace bpfport
