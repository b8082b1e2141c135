// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/netns.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <vector>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "base/file.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netns_cookie.hpp"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace bpfport {

namespace {

constexpr const char* kNamedDirectory = "/run/netns";
// The thread's own, since threads of one process may be in different namespaces.
constexpr const char* kCurrent = "/proc/thread-self/ns/net";

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

std::vector<std::string> named_namespaces() {
    std::vector<std::string> names;
    for (const auto& path : entries_of(kNamedDirectory)) names.push_back(path.filename());
    return names;
}

std::string open_hint(const NetnsRef& ref, int code) {
    if (code == EACCES || code == EPERM)
        return "another user's process can be looked into by root only; try sudo";
    if (code != ENOENT) return {};
    if (is_digits(ref.text))
        return fmt::format("no process has this id; a namespace of that name is written {}/{}",
                           kNamedDirectory, ref.text);
    if (ref.text.find('/') != ref.text.npos) return "write NAME, PATH or PID";
    auto names = named_namespaces();
    if (names.empty())
        return "ip netns list names none; a container's is given by the PID of its process";
    return suggest_name(ref.text, names);
}

Result<Fd> open_path(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return system_error(fmt::format("open {}", path));
    return fd;
}

bool is_netns(const Fd& fd) { return ::ioctl(fd.get(), NS_GET_NSTYPE) == CLONE_NEWNET; }

// The handle, if the path is still of the namespace looked for by the time it is open.
Fd open_if(const std::string& path, std::uint64_t inode) {
    auto fd = open_path(path);
    if (!fd || !is_netns(*fd)) return {};
    auto found = netns_inode(*fd);
    return found && *found == inode ? std::move(*fd) : Fd();
}

// Calls visit(path of a process's namespace, its inode) until that says true.
void each_process_netns(const std::function<bool(const std::string&, std::uint64_t)>& visit) {
    for (const auto& entry : entries_of("/proc")) {
        if (!is_digits(entry.filename().native())) continue;
        auto path = entry / "ns/net";
        std::error_code gone;
        auto link = std::filesystem::read_symlink(path, gone);
        auto inode = gone ? std::nullopt : parse_netns_link(link.native());
        if (inode && visit(path.native(), *inode)) return;
    }
}

Fd find_by_process(std::uint64_t inode) {
    Fd found;
    each_process_netns([&](const std::string& path, std::uint64_t its) {
        if (its == inode) found = open_if(path, inode);
        return bool(found);
    });
    return found;
}

std::string read_mounts() { return read_file("/proc/thread-self/mountinfo"); }

Fd find_by_mount(std::uint64_t inode) {
    auto path = find_netns_mount(read_mounts(), inode);
    return path ? open_if(*path, inode) : Fd();
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        auto digits = text.substr(i + 1 <= text.size() ? i + 1 : i, 3);
        auto* end = digits.data() + digits.size();
        bool escaped = text[i] == '\\' && digits.size() == 3 &&
                       std::from_chars(digits.data(), end, value, 8).ptr == end && value < 256;
        result.push_back(escaped ? static_cast<char>(value) : text[i]);
        if (escaped) i += 3;
    }
    return result;
}

} // namespace

Result<NetnsRef> parse_netns(std::string_view text) {
    constexpr const char* kForm = "write NAME (of ip netns), PATH or PID";
    if (text.empty()) return usage_error("network namespace is empty", kForm);
    if (text.find('\0') != text.npos || text == "." || text == "..")
        return usage_error(fmt::format("{:?} names no network namespace", text), kForm);
    std::string word(text);
    if (text.find('/') != text.npos) return NetnsRef{word, word};
    if (is_digits(text)) return NetnsRef{word, fmt::format("/proc/{}/ns/net", text)};
    return NetnsRef{word, fmt::format("{}/{}", kNamedDirectory, text)};
}

Result<Fd> open_netns(const NetnsRef& ref) {
    auto what = fmt::format("network namespace {:?}", ref.text);
    auto fd = open_path(ref.path);
    if (!fd) {
        fd.error().hint = open_hint(ref, fd.error().code);
        return context(what, fd.error());
    }
    if (!is_netns(*fd))
        return failure(fmt::format("{}: {} is not a network namespace", what, ref.path),
                       "a named one is a bind mount that ip netns add makes; this may be what is "
                       "left of one");
    return fd;
}

Result<Fd> open_current_netns() { return open_path(kCurrent); }

Result<void> enter_netns(const Fd& netns) {
    const auto wanted = netns_inode(netns), current = current_netns_inode();
    if (wanted && current && *wanted == *current) return {};
    if (::setns(netns.get(), CLONE_NEWNET) < 0)
        return system_error("enter the network namespace", errno,
                            errno == EPERM ? "needs CAP_SYS_ADMIN; try sudo" : "");
    return {};
}

Result<std::uint64_t> netns_inode(const Fd& netns) {
    struct stat status {};
    if (::fstat(netns.get(), &status) < 0) return system_error("inode of the network namespace");
    return status.st_ino;
}

Result<std::uint64_t> current_netns_inode() {
    struct stat status {};
    if (::stat(kCurrent, &status) < 0) return system_error(fmt::format("stat {}", kCurrent));
    return status.st_ino;
}

std::uint64_t current_netns_cookie() {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) == 0)
        return cookie;
    return netns_cookie_by_program();
}

Result<Fd> find_netns(std::uint64_t inode) {
    if (Fd fd = find_by_process(inode)) return fd;
    if (Fd fd = find_by_mount(inode)) return fd;
    return system_error(fmt::format("find network namespace {}", inode), ENOENT,
                        "no process is in it and no mount shows it: it is gone, or kept alive by "
                        "a socket or a mount of another mount namespace");
}

std::set<std::uint64_t> all_netns() {
    auto found = mounted_netns(read_mounts());
    each_process_netns([&](const std::string&, std::uint64_t inode) {
        found.insert(inode);
        return false;
    });
    return found;
}

Result<ScopedNetns> ScopedNetns::enter(const Fd& netns) {
    auto previous = open_current_netns();
    if (!previous) return std::unexpected(previous.error());
    if (auto entered = enter_netns(netns); !entered) return std::unexpected(entered.error());
    return ScopedNetns(std::move(*previous));
}

ScopedNetns::~ScopedNetns() {
    if (!previous_ || enter_netns(previous_)) return;
    std::perror("bpfport: return to the previous network namespace");
    std::abort();
}

std::optional<std::uint64_t> parse_netns_link(std::string_view link) {
    constexpr std::string_view kStart = "net:[";
    if (!link.starts_with(kStart) || !link.ends_with(']')) return std::nullopt;
    auto number = link.substr(kStart.size(), link.size() - kStart.size() - 1);
    std::uint64_t inode = 0;
    auto* end = number.data() + number.size();
    auto [stop, error] = std::from_chars(number.data(), end, inode);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return inode;
}

namespace {

// proc(5): "id parent major:minor ROOT MOUNTPOINT options ...": the root of a namespace's mount is
// what its link reads. Calls visit(inode, mount point as it is written) until that says true.
template <typename Visit> void each_netns_mount(std::string_view mountinfo, Visit visit) {
    while (!mountinfo.empty()) {
        auto line = mountinfo.substr(0, mountinfo.find('\n'));
        mountinfo.remove_prefix(std::min(line.size() + 1, mountinfo.size()));
        std::vector<std::string_view> fields;
        while (fields.size() < 5 && !line.empty()) {
            fields.push_back(line.substr(0, line.find(' ')));
            line.remove_prefix(std::min(fields.back().size() + 1, line.size()));
        }
        auto inode = fields.size() == 5 ? parse_netns_link(fields[3]) : std::nullopt;
        if (inode && visit(*inode, fields[4])) return;
    }
}

} // namespace

std::optional<std::string> find_netns_mount(std::string_view mountinfo, std::uint64_t inode) {
    std::optional<std::string> found;
    each_netns_mount(mountinfo, [&](std::uint64_t its, std::string_view mount_point) {
        if (its == inode) found = unescape(mount_point);
        return found.has_value();
    });
    return found;
}

std::set<std::uint64_t> mounted_netns(std::string_view mountinfo) {
    std::set<std::uint64_t> found;
    each_netns_mount(mountinfo, [&](std::uint64_t inode, std::string_view) {
        found.insert(inode);
        return false;
    });
    return found;
}

} // namespace bpfport
