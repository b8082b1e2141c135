// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport grant SCOPE... PORT..., bpfport revoke SCOPE... [PORT...]
#include <algorithm>

#include <fmt/format.h>

#include "cli/cgroup_session.hpp"
#include "cli/command.hpp"
#include "cli/saving.hpp"

namespace bpfport {

namespace {

struct GrantWords {
    std::vector<Scope> scopes;
    std::vector<Grant> grants;
};

Result<GrantWords> read_words(const std::vector<std::string>& words) {
    GrantWords result;
    for (const auto& word : words) {
        if (looks_like_rule(word)) {
            auto grants = parse_grants(word);
            if (!grants) return std::unexpected(grants.error());
            result.grants.insert(result.grants.end(), grants->begin(), grants->end());
            continue;
        }
        auto scope = parse_scope(word);
        if (!scope) return std::unexpected(scope.error());
        if (!scope->is_cgroup())
            return usage_error(fmt::format("{} is not a cgroup", scope->to_string()),
                               "a grant is for the processes of cgroup:PATH, unit:NAME, "
                               "container:ID, user:NAME or pid:N");
        result.scopes.push_back(*scope);
    }
    if (result.scopes.empty()) return usage_error("no scope is given", "bpfport grant unit:web 80");
    return result;
}

bool has(const std::vector<Grant>& grants, const Grant& grant) {
    return std::ranges::any_of(grants, [&](const Grant& other) { return other.same(grant); });
}

struct GrantOptions {
    std::vector<std::string> words;
    Saving saving;
};

Result<void> ask_saving(const Session& session, PolicyEdit::Kind kind, const GrantWords& words,
                        Saving& saving) {
    PolicyEdit edit{kind, PolicyEdit::Of::kGrants, words.scopes, {}, {}};
    edit.items.insert(edit.items.end(), words.grants.begin(), words.grants.end());
    return saving.ask(session, std::move(edit));
}

Result<void> grant(const Session& session, GrantOptions& options) {
    auto words = read_words(options.words);
    if (!words) return std::unexpected(words.error());
    if (words->grants.empty())
        return usage_error("no port is given", "bpfport grant unit:web 80 443");
    if (auto asked = ask_saving(session, PolicyEdit::Kind::kPut, *words, options.saving); !asked)
        return asked;
    return change_cgroups(
        session, words->scopes,
        [&](const FoundCgroup& found, PolicyContent& content) {
            std::vector<std::string> lines;
            for (const auto& wanted : words->grants) {
                if (!has(content.grants, wanted)) content.grants.push_back(wanted);
                lines.push_back(fmt::format("{}{} granted to {}",
                                            lines.empty() ? cgroup_line(found) : "",
                                            wanted.to_string(), found.name));
            }
            return lines;
        },
        options.saving);
}

Result<void> revoke(const Session& session, GrantOptions& options) {
    auto words = read_words(options.words);
    if (!words) return std::unexpected(words.error());
    if (auto asked = ask_saving(session, PolicyEdit::Kind::kRemove, *words, options.saving); !asked)
        return asked;
    return change_cgroups(
        session, words->scopes,
        [&](const FoundCgroup& found, PolicyContent& content) -> EditedPolicy {
            auto taken = words->grants.empty() ? content.grants : words->grants;
            if (taken.empty()) return failure(fmt::format("nothing is granted to {}", found.name));
            std::vector<std::string> lines;
            for (const auto& grant : taken) {
                if (!has(content.grants, grant))
                    return failure(
                        fmt::format("{} is not granted to {}", grant.to_string(), found.name),
                        "bpfport status shows what is");
                lines.push_back(fmt::format("{} revoked from {}", grant.to_string(), found.name));
            }
            std::erase_if(content.grants, [&](const Grant& grant) { return has(taken, grant); });
            return lines;
        },
        options.saving);
}

} // namespace

Command add_grant(CommandLine& app) {
    auto options = std::make_shared<GrantOptions>();
    auto* command = app.add_subcommand("grant", "Let a cgroup's processes bind low ports");
    command->footer(
        "Exactly these ports, without CAP_NET_BIND_SERVICE; nothing on disk changes. "
        "Examples:\n  bpfport grant unit:web 80 443\n"
        "  bpfport grant cgroup:/web.slice 53/tcp+udp\n  bpfport grant user:deploy 80 443\n"
        "Holds for sockets made after it.");
    command->add_option("WORDS", options->words, "Scopes and ports")
        ->type_name("SCOPE... PORT[-PORT][/udp]...")
        ->suggest(Values::kScopes);
    options->saving.add_to(*command);
    return {command, [options](const Session& session) { return grant(session, *options); }};
}

Command add_revoke(CommandLine& app) {
    auto options = std::make_shared<GrantOptions>();
    auto* command = app.add_subcommand("revoke", "Revoke grants");
    command->footer(
        "Without ports, all of the scope's. Sockets that are bound already stay bound.");
    command->add_option("WORDS", options->words, "Scopes and ports")
        ->type_name("SCOPE... [PORT[-PORT][/udp]...]")
        ->suggest(Values::kScopes);
    options->saving.add_to(*command);
    return {command, [options](const Session& session) { return revoke(session, *options); }};
}

} // namespace bpfport
