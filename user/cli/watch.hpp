// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Watch: samples of the session's netns. The store is opened for each and not kept, so other
// commands go on meanwhile and what they change is seen.
#pragma once

#include "base/error.hpp"
#include "cli/session.hpp"
#include "stats/rates.hpp"

namespace bpfport {

// The session's netns has been entered.
Result<Sample> take_sample(const Session& session);

} // namespace bpfport
