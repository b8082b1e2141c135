// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/object_checks.hpp"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/engines.hpp"
#include "engine/option_program.hpp"
#include "engine/registry.hpp"
#include "kernel/capabilities.hpp"

namespace bpfport {

namespace {

// A kernel that is too old for an engine is no fault, a program that it finds unsafe is one. The tc
// programs exist twice: only when both are refused does nothing work.
Severity severity_of(const LoadFailure& failure, bool last_of_tc) {
    if (last_of_tc) return Severity::kBroken;
    switch (failure.refusal) {
    case LoadRefusal::kFeature:
    case LoadRefusal::kNoBtf:
        return Severity::kNote;
    default:
        return Severity::kWarning;
    }
}

} // namespace

void check_objects(Findings& findings) {
    if (!missing_capabilities(kAttachCapabilities).empty()) return; // said by check_kernel
    std::vector<std::string> fine;
    std::vector<LoadFailure> refused;
    auto trial = [&](const std::string& name, const Loaded& loaded) {
        if (loaded)
            fine.push_back(name);
        else
            refused.push_back(loaded.error());
    };
    tc_engine().try_objects(trial);
    const bool no_tc = fine.empty();
    const std::size_t of_tc = refused.size();
    for (const Engine* engine : engines())
        if (engine != &tc_engine()) engine->try_objects(trial);
    for (const OptionProgram* program : option_programs()) program->try_object(trial);
    if (!fine.empty())
        findings.push_back({Severity::kOk,
                            "programs",
                            fmt::format("the kernel takes {}", fmt::join(fine, ", ")),
                            {}});
    for (std::size_t i = 0; i < refused.size(); i++) {
        const Error error = refused[i].error();
        findings.push_back(
            {severity_of(refused[i], no_tc && i < of_tc), "programs", error.message, error.hint});
    }
}

} // namespace bpfport
