// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/bpffs.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "base/fd.hpp"

namespace bpfport {

namespace {

bool is_bpffs(const std::filesystem::path& path) {
    struct statfs fs {};
    return statfs(path.c_str(), &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

// True as well when we can't tell: then the mount is tried, and its error speaks.
bool in_host_mounts() {
    struct stat ours {
    }, host{};
    if (stat("/proc/self/ns/mnt", &ours) != 0 || stat("/proc/1/ns/mnt", &host) != 0) return true;
    return ours.st_ino == host.st_ino;
}

} // namespace

Result<void> ensure_bpffs(const std::filesystem::path& mount_point) {
    if (is_bpffs(mount_point)) return {};
    if (!in_host_mounts())
        return failure(fmt::format("no bpffs on {} in this mount namespace", mount_point.native()),
                       "`ip netns exec` and containers hide the host's; run bpfport outside, "
                       "with --netns NAME");
    if (mount("bpf", mount_point.c_str(), "bpf", 0, "mode=0700") != 0)
        return system_error(
            fmt::format("mount bpffs on {}", mount_point.native()), errno,
            fmt::format("as root: mount -t bpf -o mode=0700 bpf {}", mount_point.native()));
    return {};
}

Result<void> remove_pin(const std::filesystem::path& path) {
    const Fd object(bpf_obj_get(path.c_str()));
    if (object) (void)bpf_link_detach(object.get()); // an error where it is no link
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return system_error(fmt::format("remove {}", path.native()));
    return {};
}

} // namespace bpfport
