// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport run [--user USER] [--grant PORT]... [RULE...] -- COMMAND...
//
// The command runs in this very process, in a fresh cgroup that has the policy, as USER: its exit
// status, its signals and its terminal are nobody else's. A reaper clears up after it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ostream>

#include <fmt/ostream.h>

#include "cli/cgroup_session.hpp"
#include "cli/command.hpp"
#include "cli/reaper.hpp"
#include "kernel/account.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/confine.hpp"
#include "state/run_cgroup.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

struct RunOptions {
    std::vector<std::string> words; // rules
    std::vector<std::string> grants;
    std::string user;
    bool keep_setuid = false;
    CgroupRequest request;
    std::vector<Grant> granted;
};

Result<void> read_words(const Session& session, RunOptions& options) {
    constexpr auto kExample = "bpfport run --grant 80 -- node server.js";
    if (session.command.empty()) return usage_error("no command is given", kExample);
    auto split = split_words(options.words);
    if (!split) return std::unexpected(split.error());
    if (!split->scopes.empty())
        return usage_error(fmt::format("{} is not a rule", split->scopes.front().to_string()),
                           "the command comes behind \"--\"");
    options.request.rules = std::move(split->rules);
    options.request.autos = std::move(split->autos);
    for (const auto& word : options.grants) {
        auto grants = parse_grants(word);
        if (!grants) return std::unexpected(grants.error());
        options.granted.insert(options.granted.end(), grants->begin(), grants->end());
    }
    if (options.granted.empty() && options.words.empty())
        return usage_error("neither a grant nor a rule is given", kExample);
    return {};
}

// Below the caller's own cgroup, so that limits and units that hold for the caller hold for the
// command. Its name has the process id.
Result<CgroupRef> make_cgroup(const CgroupRef& parent) {
    auto name = run_cgroup_name(getpid());
    std::string path = fmt::format("{}/{}", parent.path == "/" ? "" : parent.path, name);
    fs::path directory = parent.directory / name;
    if (mkdir(directory.c_str(), 0755) != 0)
        return system_error(fmt::format("make cgroup {}", path));
    return open_cgroup(path);
}

Result<void> move_into(const CgroupRef& cgroup) {
    Fd procs(open((cgroup.directory / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!procs || write(procs.get(), "0", 1) != 1)
        return system_error(fmt::format("enter cgroup {}", cgroup.path));
    return {};
}

// The lock is held until this process is inside: an empty cgroup is taken for one that has ended.
Result<void> enter(const Session& session, RunOptions& options, const Reaper& reaper) {
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    auto parent = cgroup_of_process(getpid());
    if (!parent) return std::unexpected(parent.error());
    if (auto told = reaper.watch(parent->directory / run_cgroup_name(getpid())); !told) return told;
    auto cgroup = make_cgroup(*parent);
    if (!cgroup) return std::unexpected(cgroup.error());
    auto content = plan_new_cgroup(session, change->store(), options.request,
                                   {"cgroup:" + cgroup->path, cgroup->id, {}});
    if (!content) return std::unexpected(content.error());
    content->grants = options.granted;
    auto engine =
        CgroupEngine::open(change->store(), *cgroup, "cgroup:" + cgroup->path, BP_CGROUP_RUN);
    if (!engine) return std::unexpected(engine.error());
    change->put(*engine, std::move(*content));
    if (auto done = change->commit(); !done) return done;
    return move_into(*cgroup);
}

Result<void> execute(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv.front(), argv.data());
    auto error = system_error(fmt::format("execute {}", command.front())).error();
    error.fault = error.code == ENOENT ? Fault::kNotFound : Fault::kNotExecutable;
    return std::unexpected(std::move(error));
}

Result<void> run(const Session& session, RunOptions& options) {
    if (auto read = read_words(session, options); !read) return read;
    auto account = options.user.empty() ? calling_account() : find_account(options.user);
    if (!account) return std::unexpected(account.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto reaper = Reaper::start(session.root);
    if (!reaper) return std::unexpected(reaper.error());
    if (auto entered = enter(session, options, *reaper); !entered) return entered;
    if (account->uid && !options.keep_setuid) BP_TRY(forbid_new_privileges(), "run");
    if (account->uid) BP_TRY(forbid_terminal_input(), "run");
    if (auto become_user = become(*account); !become_user) return become_user;
    if (account->uid) BP_TRY(join_new_session_keyring(), "run");
    session.out.flush();
    session.err.flush();
    return execute(session.command);
}

} // namespace

Command add_run(CommandLine& app) {
    auto options = std::make_shared<RunOptions>();
    auto* command = app.add_subcommand("run", "Run a command with a policy of its own");
    command->footer("In a fresh cgroup, as USER, without privileges; policy and cgroup go when its "
                    "last process ends. Examples:\n  bpfport run --grant 80 -- node server.js\n"
                    "  bpfport run --user www-data 80:3000 -- ./server --port 80");
    command->add_option("--user", options->user, "Default: the user that called sudo")
        ->type_name("USER")
        ->suggest(Values::kUsers);
    command->add_flag("--keep-setuid", options->keep_setuid,
                      "Let the command gain privileges by set-user-id files, such as sudo");
    command->add_option("--grant", options->grants, "Let it bind this port")
        ->type_name("PORT[-PORT][/udp]")
        ->allow_extra_args(false);
    command->add_option("WORDS", options->words, "Rules")->type_name("[RULE...] -- COMMAND...");
    return {command, [options](const Session& session) { return run(session, *options); },
            /*takes_command=*/true};
}

} // namespace bpfport
