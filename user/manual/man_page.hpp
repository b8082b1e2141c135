// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Man pages: bpfport(8), bpfport-COMMAND(8) for each command, and bpfport(7) for the topics.
#pragma once

#include <string>
#include <vector>

#include "cli/command_text.hpp"
#include "cli/topics.hpp"

namespace bpfport {

struct Edition {
    std::string version;
    std::string date; // 2026-01-31; empty: none
};

std::string man_page(const CommandText& app, const Edition& edition);
std::string man_page(const CommandText& app, const CommandText& command, const Edition& edition);
std::string man_page(const CommandText& app, const std::vector<Topic>& topics,
                     const Edition& edition);

} // namespace bpfport
