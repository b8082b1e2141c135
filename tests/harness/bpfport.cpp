// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/bpfport.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cerrno>
#include <stdexcept>

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

ProcessResult bpfport(std::vector<std::string> arguments, const ProcessOptions& options) {
    return run(bpfport_command(std::move(arguments)), options);
}

ProcessResult bpfport(const Netns& netns, std::vector<std::string> arguments,
                      const ProcessOptions& options) {
    arguments.insert(arguments.begin(), {"--netns", netns.name()});
    return bpfport(std::move(arguments), options);
}

} // namespace bpfport::test
