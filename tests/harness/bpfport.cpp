// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/bpfport.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <mutex>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "harness/netns.hpp"
#include "harness/sweep.hpp"

namespace bpfport::test {

void require_bpffs() {
    constexpr auto kPath = "/sys/fs/bpf";
    struct statfs status {};
    if (::statfs(kPath, &status) == 0 && status.f_type == BPF_FS_MAGIC) return;
    if (::mount("bpf", kPath, "bpf", 0, "mode=0700") != 0)
        throw std::runtime_error("mount bpffs: " + error_text(errno));
}

std::string bpfport_binary() { return BPFPORT_BINARY; }

std::vector<std::string> bpfport_command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {bpfport_binary(), "--state", state_root()});
    return arguments;
}

namespace {

// The commands of the test that runs which did not end with status 0, and what they said. A test that fails
// shows them: most tests look at a command's output only, which is empty if the command failed.
class FailedCommands : public testing::EmptyTestEventListener {
  public:
    void note(const std::vector<std::string>& command, const ProcessResult& result) {
        const std::scoped_lock lock(mutex_);
        said_.push_back(fmt::format("{}: status {}{}\n{}", fmt::join(command, " "), result.status,
                                    result.timed_out ? ", not ended in time" : "", result.err));
    }
    void OnTestStart(const testing::TestInfo&) override { said_.clear(); }
    void OnTestEnd(const testing::TestInfo& test) override {
        if (!test.result()->Failed() || said_.empty()) return;
        constexpr std::size_t kShown = 20;
        std::cout << "Commands of this test that failed, the last ones:\n";
        for (std::size_t at = said_.size() - std::min(said_.size(), kShown); at < said_.size();
             at++)
            std::cout << "  " << said_[at];
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> said_;
};

FailedCommands& failed_commands() {
    static auto* commands = [] {
        auto* made = new FailedCommands;
        testing::UnitTest::GetInstance()->listeners().Append(made); // which owns it
        return made;
    }();
    return *commands;
}

} // namespace

ProcessResult bpfport(std::vector<std::string> arguments, const ProcessOptions& options) {
    const auto command = bpfport_command(std::move(arguments));
    auto result = run(command, options);
    if (result.status != 0) failed_commands().note(command, result);
    return result;
}

ProcessResult bpfport(const Netns& netns, std::vector<std::string> arguments,
                      const ProcessOptions& options) {
    arguments.insert(arguments.begin(), {"--netns", netns.name()});
    return bpfport(std::move(arguments), options);
}

} // namespace bpfport::test
