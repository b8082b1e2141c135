// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/exporter_checks.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "kernel/privileges.hpp"
#include "kernel/process.hpp"

namespace bpfport {

namespace {

bool is_exporter(const ProcessArguments& arguments) {
    return !arguments.empty() && std::filesystem::path(arguments.front()).filename() == "bpfport" &&
           std::ranges::find(arguments, "exporter") != arguments.end();
}

// The collector forks the server, so the parent of a server is an exporter too.
bool is_server(const Process& process) { return is_exporter(process_arguments(process.parent)); }

} // namespace

void check_exporters(Findings& findings) {
    for (const pid_t pid : all_processes()) {
        const auto process = find_process(pid);
        if (!process || !is_exporter(process_arguments(pid))) continue;
        const auto left = privileges_of(pid);
        if (!left) continue; // it has ended
        const bool server = is_server(*process);
        const bool too_much = server && !left->capabilities.empty();
        findings.push_back({too_much ? Severity::kWarning : Severity::kOk, "exporter",
                            fmt::format("{} (pid {}) has {}", server ? "server" : "collector", pid,
                                        left->to_string()),
                            too_much ? "start it anew with this version of bpfport" : ""});
    }
}

} // namespace bpfport
