// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/client_options.hpp"

#include <fmt/format.h>

namespace bpfport {

namespace {

Result<std::vector<Prefix>> read_list(std::string_view place, const std::string& text) {
    if (text.empty()) return std::vector<Prefix>();
    return parse_prefix_list(place, text);
}

} // namespace

void add_client_options(CommandLine& command, ClientOptions& options) {
    command.add_option("--from", options.from, "The rules are for these clients only")
        ->type_name("PREFIX,...");
    command.add_option("--not-from", options.not_from, "The rules are not for these clients")
        ->type_name("PREFIX,...");
}

Result<void> put_clients(const ClientOptions& options, std::vector<Rule>& rules) {
    if (!options.given()) return {};
    auto from = read_list("--from", options.from);
    if (!from) return std::unexpected(from.error());
    auto not_from = read_list("--not-from", options.not_from);
    if (!not_from) return std::unexpected(not_from.error());
    auto clients = ClientSet::make(std::move(*from), std::move(*not_from));
    if (!clients) return std::unexpected(clients.error());
    for (auto& rule : rules) {
        if (!rule.clients().has_all())
            return usage_error(fmt::format("{}: clients are given twice", rule.to_string()),
                               "write them behind '@', or with --from and --not-from");
        rule = rule.with_clients(*clients);
    }
    return {};
}

} // namespace bpfport
