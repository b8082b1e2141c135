// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/run_program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "base/fd.hpp"

namespace bpfport {

namespace {

std::string find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream directories(
        fmt::format("{}:/usr/sbin:/sbin:/usr/bin:/bin", path ? path : ""));
    std::string directory;
    while (std::getline(directories, directory, ':')) {
        auto candidate = directory + "/" + name;
        if (!directory.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return {};
}

class SpawnActions {
  public:
    SpawnActions() { posix_spawn_file_actions_init(&actions_); }
    ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    void output_to(int fd) { posix_spawn_file_actions_adddup2(&actions_, fd, STDOUT_FILENO); }
    void discard(int fd) {
        posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    }
    [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    posix_spawn_file_actions_t actions_{};
};

} // namespace

Result<std::string> run_program(const std::vector<std::string>& argv) {
    std::string program = find_program(argv.front());
    if (program.empty()) return system_error(fmt::format("run {}", argv.front()), ENOENT);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return system_error(fmt::format("run {}", argv.front()));
    Fd reader(ends[0]), writer(ends[1]);
    SpawnActions actions;
    actions.output_to(writer.get());
    actions.discard(STDIN_FILENO);
    actions.discard(STDERR_FILENO);
    std::vector<char*> words;
    for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    pid_t child = 0;
    if (int error =
            posix_spawn(&child, program.c_str(), actions.get(), nullptr, words.data(), environ);
        error != 0)
        return system_error(fmt::format("run {}", program), error);
    writer = Fd();
    std::string output;
    std::array<char, 65536> buffer;
    for (ssize_t got; (got = read(reader.get(), buffer.data(), buffer.size())) != 0;) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        output.append(buffer.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failure(fmt::format("{} failed", argv.front()));
    return output;
}

} // namespace bpfport
