// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A policy put into force: what apply and serve both do, and the only way in which they change anything. All
// is planned and checked before anything is changed; if any part fails, all is as it was before.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/apply_confirm.hpp"
#include "cli/apply_line.hpp"
#include "cli/apply_prune.hpp"
#include "cli/apply_stage.hpp"
#include "engine/change.hpp"

namespace bpfport {

enum class ApplyMode { kPut, kPlan }; // kPlan: nothing is changed

struct Applied {
    ApplyLines lines;
    std::vector<Warning> warnings; // besides the stage's
    std::vector<std::string> notes;
    std::optional<BeforeApply> before; // of what was changed; nullopt: nothing was
    OwnedKeys owned;                   // what the policy has and what is in force of it
};

// `stage` outlives the result.
Result<Applied> apply_policy(Change& change, ApplyStage& stage, const HostOptions& host,
                             const Prune& prune, ApplyMode mode);

} // namespace bpfport
