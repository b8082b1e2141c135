// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/cli.hpp"

#include <ostream>

#include <CLI/CLI.hpp>
#include <fmt/ostream.h>

#include "cli/commands.hpp"

namespace bpfport {

namespace {

// "eth0 wlan0 80:3000 443:8443/udp": scopes and rules in any order.
Result<void> split_words(const std::vector<std::string>& words, std::vector<Scope>& scopes,
                         std::vector<Rule>& rules) {
    for (const auto& word : words) {
        if (looks_like_rule(word)) {
            auto parsed = parse_rules(word);
            if (!parsed) return std::unexpected(parsed.error());
            rules.insert(rules.end(), parsed->begin(), parsed->end());
            continue;
        }
        auto scope = parse_scope(word);
        if (!scope) return std::unexpected(scope.error());
        if (scope->is_cgroup())
            return failure(fmt::format("scope {}: only interfaces and any can be used here", word),
                           "attach to the interface the service is reached by");
        scopes.push_back(*scope);
    }
    return {};
}

struct Words {
    std::vector<std::string> words;
    std::string on_absent = "reset";
    std::string hook = "auto";
    bool no_local = false, forwarded = false, vlan = false, exclusive = false;
    unsigned timeout = 0;
};

Result<AttachOptions> attach_options(const Words& words, AttachOptions options) {
    AttachRequest& request = options.request;
    if (auto split = split_words(words.words, request.scopes, request.rules); !split)
        return std::unexpected(split.error());
    if (request.scopes.empty())
        return usage_error("no scope is given", "bpfport attach eth0 80:3000");
    if (request.rules.empty())
        return usage_error("no rule is given",
                           fmt::format("a rule is {}, such as 80:3000", kRuleForm));
    request.on_absent = words.on_absent == "drop"   ? BP_ABSENT_DROP
                        : words.on_absent == "pass" ? BP_ABSENT_PASS
                                                    : BP_ABSENT_RESET;
    if (words.no_local) request.flags |= BP_RULE_NO_LOCAL;
    if (words.forwarded) request.flags |= BP_RULE_FORWARDED;
    if (words.vlan) request.flags |= BP_RULE_VLAN;
    if (words.exclusive) request.flags |= BP_RULE_EXCLUSIVE;
    options.tc.hook = words.hook == "tcx"      ? HookChoice::kTcx
                      : words.hook == "clsact" ? HookChoice::kClsact
                                               : HookChoice::kAuto;
    return options;
}

CLI::App* add_attach(CLI::App& app, Words& words, AttachOptions& options) {
    auto* command = app.add_subcommand("attach", "Redirect listen ports to target ports");
    command->footer("A scope is an interface or `any`; a rule is " + std::string(kRuleForm) +
                    "\nExamples:\n  bpfport attach eth0 80:3000\n"
                    "  bpfport attach eth0 wlan0 80:3000 443:8443/tcp+udp\n"
                    "  bpfport attach any 192.0.2.1:8000-8010:18000-18010");
    command->add_option("WORDS", words.words, "Scopes and rules")->required()->type_name(
        "SCOPE... RULE...");
    command->add_flag("--no-local", words.no_local, "Leave clients on this host alone");
    command->add_flag("--forwarded", words.forwarded,
                      "Redirect what this host forwards to others as well");
    command->add_flag("--vlan", words.vlan, "Redirect frames with a VLAN tag too");
    command->add_flag("--exclusive", words.exclusive,
                      "Refuse new clients that go straight to the target port");
    command
        ->add_option("--on-absent", words.on_absent,
                     "What clients get while nobody listens on the target")
        ->check(CLI::IsMember({"reset", "drop", "pass"}))
        ->capture_default_str();
    command->add_flag("--force", options.request.force,
                      "Redirect although another program listens on the listen port");
    command->add_flag("--replace", options.request.replace,
                      "Change the target of a rule; its connections stay with the old one");
    command->add_flag("--explain", options.explain, "Say what would be done and why; do nothing");
    command->add_option("--hook", words.hook, "Where tc programs go")
        ->check(CLI::IsMember({"auto", "tcx", "clsact"}))
        ->capture_default_str();
    command
        ->add_option("--flows", options.tc.sizes.udp_flows,
                     "UDP flows remembered (set by the first attach in a network namespace)")
        ->check(CLI::Range(1024U, 16U * 1024 * 1024))
        ->capture_default_str();
    command
        ->add_option("--hints", options.tc.sizes.hints,
                     "TCP handshakes remembered (set by the first attach)")
        ->check(CLI::Range(1024U, 16U * 1024 * 1024))
        ->capture_default_str();
    return command;
}

CLI::App* add_detach(CLI::App& app, Words& words, DetachOptions& options) {
    auto* command = app.add_subcommand("detach", "End redirects");
    command->footer("Without rules, all of the scope's. Examples:\n  bpfport detach eth0\n"
                    "  bpfport detach eth0 80:3000 --drain\n  bpfport detach --all");
    command->add_option("WORDS", words.words, "Scopes and rules")->type_name("SCOPE... [RULE...]");
    command->add_flag("--all", options.all,
                      "Everything, in every network namespace (with --netns: in that one)");
    command->add_flag("--drain", options.drain,
                      "Take no new connections, wait for the open ones to end, then detach");
    command->add_option("--timeout", words.timeout, "With --drain: wait no longer than this")
        ->type_name("SECONDS");
    return command;
}

Result<DetachOptions> detach_options(const Words& words, DetachOptions options) {
    if (auto split = split_words(words.words, options.request.scopes, options.request.rules);
        !split)
        return std::unexpected(split.error());
    if (options.all && !words.words.empty())
        return usage_error("--all goes without scopes and rules");
    if (!options.all && options.request.scopes.empty())
        return usage_error("no scope is given",
                           "bpfport detach eth0; bpfport detach --all for everything");
    if (words.timeout) options.timeout = std::chrono::seconds(words.timeout);
    return options;
}

int report(std::ostream& err, std::string_view command, const Error& error) {
    fmt::print(err, "bpfport: {}: {}\n", command, error.message);
    if (!error.hint.empty()) fmt::print(err, "hint: {}\n", error.hint);
    return static_cast<int>(error.fault);
}

} // namespace

int run_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    CLI::App app("Lets a program be reached on a privileged port without root, proxy or conntrack",
                 "bpfport");
    app.set_version_flag("--version", BPFPORT_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    Session session{out, err, {}, kDefaultRoot};
    std::string root;
    app.add_option("--netns", session.netns, "Network namespace: a name, a path or a process id")
        ->type_name("NAME|PATH|PID");
    app.add_option("--state", root, "Where state is kept, in a bpffs")->type_name("DIR");

    Words words;
    AttachOptions attach;
    DetachOptions detach;
    StatusOptions status;
    CLI::App* attach_app = add_attach(app, words, attach);
    CLI::App* detach_app = add_detach(app, words, detach);
    CLI::App* status_app = app.add_subcommand("status", "What is redirected, asked of the kernel");
    status_app->add_option("SCOPE", words.words, "Only these");
    status_app->add_flag("--json", status.json, "For machines");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        int code = app.exit(error, out, err);
        return code == 0 ? 0 : static_cast<int>(Fault::kUsage);
    }
    if (!root.empty()) session.root = root;

    Result<void> done;
    std::string name = app.get_subcommands().front()->get_name();
    for (const auto& word : words.words) name += " " + word;
    if (attach_app->parsed()) {
        auto options = attach_options(words, attach);
        done = options ? attach_command(session, *options) : std::unexpected(options.error());
    } else if (detach_app->parsed()) {
        auto options = detach_options(words, detach);
        done = options ? detach_command(session, *options) : std::unexpected(options.error());
    } else if (status_app->parsed()) {
        std::vector<Rule> rules;
        done = split_words(words.words, status.scopes, rules);
        if (done) done = status_command(session, status);
    }
    return done ? 0 : report(err, name, done.error());
}

} // namespace bpfport
