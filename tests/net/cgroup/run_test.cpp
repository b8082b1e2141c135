// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// `bpfport run`: the program's own exit status, signals and terminal; no privileges; and nothing
// left behind, whichever process is killed.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "net/cgroup_fixture.hpp"
#include "state/run_cgroup.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

class CgroupRun : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) REQUIRE_GRANTS();
    }
    // From within the test's cgroup, so that the fresh one is made below it.
    [[nodiscard]] std::vector<std::string> words(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"--netns", netns->name(), "run"});
        return bpfport_command(std::move(arguments));
    }
    [[nodiscard]] ProcessOptions options() const {
        return {.netns = nullptr, .cgroup = cgroup.get()};
    }
    ProcessResult run_in(std::vector<std::string> arguments) const {
        return test::run(words(std::move(arguments)), options());
    }
    [[nodiscard]] std::vector<fs::path> run_cgroups() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(cgroup->path()))
            if (entry.is_directory()) found.push_back(entry.path());
        return found;
    }
    [[nodiscard]] bool all_gone() const { return run_cgroups().empty() && entries().empty(); }
    [[nodiscard]] testing::AssertionResult gone_soon() const {
        for (auto end = std::chrono::steady_clock::now() + 20s;
             std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(20ms))
            if (all_gone()) return testing::AssertionSuccess();
        return testing::AssertionFailure()
               << entries() << " and " << run_cgroups().size() << " cgroups are left";
    }
    [[nodiscard]] static std::string own_processes(const fs::path& directory) {
        std::ifstream procs(directory / "cgroup.procs");
        return {std::istreambuf_iterator<char>(procs), {}};
    }
    // The reaper of this test's run: a process of that name in this test's cgroup.
    [[nodiscard]] pid_t reaper() const {
        std::ifstream procs(cgroup->path() + "/cgroup.procs");
        for (pid_t pid = 0; procs >> pid;) {
            std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
            std::string name;
            if (std::getline(comm, name) && name == "bpfport-reaper") return pid;
        }
        return 0;
    }
};

constexpr auto kBind = "import socket,sys; s=socket.socket(); s.bind(('',int(sys.argv[1])))";

TEST_F(CgroupRun, BindsAsAnUnprivilegedUserAndLeavesNothing) {
    REQUIRE_PYTHON();
    auto granted = run_in({"--user", "nobody", "--grant", "80", "--", kPython, "-c", kBind, "80"});
    EXPECT_EQ(granted.status, 0) << granted.err;
    EXPECT_TRUE(gone_soon());
    auto refused = run_in({"--user", "nobody", "--grant", "80", "--", kPython, "-c", kBind, "81"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("Permission denied"));
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, ThePrivilegesAreGone) {
    auto result = run_in({"--user", "nobody", "--grant", "80", "--", "sh", "-c",
                          "id -u; id -g; id -G; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status; "
                          "echo $USER"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("65534\n65534\n65534\n"));
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
        EXPECT_THAT(result.out, HasSubstr(std::string(set) + ":\t0000000000000000"));
    EXPECT_THAT(result.out, HasSubstr("nobody"));
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, NoDescriptorIsHandedOn) {
    const std::vector<std::string> list{"sh", "-c", "ls /proc/self/fd | wc -l"};
    auto with = list;
    with.insert(with.begin(), {"--user", "nobody", "--grant", "80", "--"});
    auto result = run_in(with);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, test::run(list, options()).out);
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, ExitStatusAndSignalsAreTheCommands) {
    auto status = [&](std::vector<std::string> command) {
        command.insert(command.begin(), {"--user", "nobody", "--grant", "80", "--"});
        return run_in(std::move(command)).status;
    };
    EXPECT_EQ(status({"true"}), 0);
    EXPECT_EQ(status({"sh", "-c", "exit 42"}), 42);
    EXPECT_EQ(status({"sh", "-c", "kill -TERM $$"}), 128 + SIGTERM);
    EXPECT_EQ(status({"/no/such/program"}), 127);
    EXPECT_EQ(status({"/etc/passwd"}), 126);
    EXPECT_EQ(run_in({"--user", "nobody", "--grant", "80"}).status, 2);
    EXPECT_EQ(run_in({"--user", "nobody", "--", "true"}).status, 2);
    EXPECT_EQ(run_in({"--grant", "80", "--", "true"}).status, 2)
        << "root without sudo, and no user is given";

    Process sleeper(words({"--user", "nobody", "--grant", "80", "--", "sleep", "1000"}), options());
    for (int i = 0; i < 500 && run_cgroups().empty(); i++) std::this_thread::sleep_for(20ms);
    std::this_thread::sleep_for(100ms);
    sleeper.signal(SIGINT);
    EXPECT_EQ(sleeper.wait().status, 128 + SIGINT) << "the program is the process that was started";
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, TheTerminalIsTheCommands) {
    REQUIRE_PROGRAM("script");
    REQUIRE_PROGRAM("ps");
    std::string line;
    for (const auto& word : words({"--user", "nobody", "--grant", "80", "--"})) line += word + " ";
    auto result =
        test::run({"script", "-qec", line + "sh -c 'tty; ps -o stat= -p $$; exit 7'", "/dev/null"},
                  options());
    EXPECT_EQ(result.status, 7) << result.err;
    EXPECT_THAT(result.out, HasSubstr("/dev/pts/"));
    EXPECT_THAT(result.out, HasSubstr("+")) << "in the foreground, where Ctrl-C goes";
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, TheSudoCallerIsTheDefault) {
    auto command = words({"--grant", "80", "--", "id", "-u"});
    command.insert(command.begin(), {"env", "SUDO_UID=65534"});
    auto result = test::run(command, options());
    EXPECT_EQ(result.out, "65534\n") << result.err;
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, ThePolicyLastsAsLongAsAnyProcess) {
    // The command ends, what it left in the background does not.
    const std::string file = "/tmp/" + unique_name();
    auto result = run_in({"--user", "nobody", "--grant", "80", "--", "sh", "-c",
                          "setsid sh -c 'echo $$ > " + file +
                              "; exec sleep 1000' & "
                              "until test -s " +
                              file + "; do sleep 0.05; done; cat " + file});
    EXPECT_EQ(result.status, 0) << result.err;
    fs::remove(file);
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(run_cgroups().size(), 1U);
    EXPECT_THAT(entries(), HasSubstr("cgroup-"));
    ASSERT_GT(std::stoi(result.out), 1);
    ::kill(std::stoi(result.out), SIGKILL);
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, KillTheCommand) {
    Process sleeper(words({"--user", "nobody", "--grant", "80", "--", "sleep", "1000"}), options());
    for (int i = 0; i < 500 && entries().find("cgroup-") == std::string::npos; i++)
        std::this_thread::sleep_for(20ms);
    sleeper.signal(SIGKILL);
    EXPECT_EQ(sleeper.wait().status, 128 + SIGKILL);
    EXPECT_TRUE(gone_soon());
}

TEST_F(CgroupRun, KillTheReaperAndTheCommand) {
    // As soon as there is a cgroup, when it may have no policy yet; and when all is in place.
    for (bool early : {true, false}) {
        SCOPED_TRACE(early ? "early" : "late");
        Process sleeper(words({"--user", "nobody", "--grant", "80", "--", "sleep", "1000"}),
                        options());
        auto begun = [&] {
            if (run_cgroups().empty() || reaper() == 0) return false;
            return early || !own_processes(run_cgroups().front()).empty();
        };
        for (int i = 0; i < 5000 && !begun(); i++) std::this_thread::sleep_for(early ? 1ms : 20ms);
        const pid_t pid = reaper();
        ASSERT_GT(pid, 1);
        ::kill(pid, SIGTERM);
        std::this_thread::sleep_for(early ? 0ms : 50ms);
        EXPECT_EQ(reaper(), pid) << "a unit that is stopped must not end it first";
        ::kill(pid, SIGKILL);
        sleeper.signal(SIGKILL);
        sleeper.wait();
        std::this_thread::sleep_for(200ms);
        EXPECT_FALSE(all_gone()) << "nobody is left to do it";
        must({"grant", "cgroup:" + cgroup->name(), "80"}); // any command that changes things
        EXPECT_TRUE(run_cgroups().empty());
        must({"revoke", "cgroup:" + cgroup->name()});
        EXPECT_TRUE(gone_soon());
    }
}

// A container that sees the host's cgroups has process ids of its own: by those, every command of the host is gone.
TEST_F(CgroupRun, IsNotTakenForOneOfAnotherPidNamespace) {
    const fs::path early =
        fs::path(cgroup_root()) / cgroup->name().substr(1) / run_cgroup_name(getpid());
    ASSERT_TRUE(fs::create_directory(early));
    std::vector<std::string> apart{"unshare", "--pid", "--fork", "--mount-proc"};
    for (auto& word : bpfport_command({"grant", "cgroup:" + cgroup->name(), "80"}))
        apart.push_back(std::move(word));
    const auto done = run(apart);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_TRUE(fs::exists(early));
    must({"revoke", "cgroup:" + cgroup->name()}); // of this namespace, and its process lives
    EXPECT_TRUE(fs::exists(early));
    fs::remove(early);
}

TEST_F(CgroupRun, WithARule) {
    REQUIRE_RULES();
    REQUIRE_PYTHON();
    Process server(words({"--user", "nobody", "80:3000", "--", kPython, "-m", "http.server", "80",
                          "--bind", "127.0.0.1"}),
                   options());
    EXPECT_TRUE(wait_for_port(*netns, 3000)) << server.stop().err;
    auto page =
        test::run({"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1/"},
                  {.netns = netns.get()});
    EXPECT_EQ(page.out, "200") << page.err;
    server.signal(SIGTERM);
    server.wait();
    EXPECT_TRUE(gone_soon());
}

} // namespace
} // namespace bpfport::test
