// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/watch.hpp"

namespace bpfport {

Result<Sample> take_sample(const Session& session) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    auto view = take_view(*store, Owners::kSkip);
    if (!view) return std::unexpected(view.error());
    return Sample{std::move(*view), std::chrono::steady_clock::now()};
}

} // namespace bpfport
