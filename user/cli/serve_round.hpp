// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What serve does after events: what `apply` does, but that an entry which can't be put into force does not keep the
// others from it.
#pragma once

#include "cli/session.hpp"
#include "serve/daemon.hpp"

namespace bpfport {

enum class PruneWhat { kFormer, kAll }; // kFormer: what the files had before

ServeReport serve_round(const Session& session, const RoundTask& task, PruneWhat prune);

} // namespace bpfport
