// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/watch.hpp"

namespace bpfport {

Result<Sample> take_sample(const Session& session) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    auto snapshot = take_snapshot(*store, Owners::kSkip);
    if (!snapshot) return std::unexpected(snapshot.error());
    return Sample{std::move(*snapshot), std::chrono::steady_clock::now()};
}

} // namespace bpfport
