// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Files and links of /proc: status, socket and namespace links, mountinfo, cgroup.
#include <fmt/format.h>

#include "fuzz.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/netns.hpp"
#include "kernel/process.hpp"

namespace bpfport {

namespace {

constexpr std::uint64_t kInode = 4026532201; // as in the corpus

void fuzz_status(std::string_view text) {
    auto process = parse_process_status(text);
    if (!process) return;
    require(process->comm.find('\n') == std::string::npos, "a name is one line", text);

    // Whatever a process calls itself does not make it another's: names come first in the file.
    if (text.find('\n') != text.npos) return;
    auto status = fmt::format("Name:\t{}\nPid:\t12\nPPid:\t1\nUid:\t33\t0\t0\t0\n", text);
    auto named = parse_process_status(status);
    require(named && named->comm == text && named->pid == 12 && named->uid == 33,
            "a process's name is no other field", text);
}

void fuzz_links(std::string_view text) {
    if (auto inode = parse_socket_link(text))
        require(parse_socket_link(fmt::format("socket:[{}]", *inode)) == inode, "socket", text);
    if (auto inode = parse_netns_link(text))
        require(parse_netns_link(fmt::format("net:[{}]", *inode)) == inode, "namespace", text);
}

// fs/proc_namespace.c, mangle()
std::string escaped(std::string_view path) {
    std::string result;
    for (char c : path)
        if (std::string_view(" \t\n\\#").find(c) != std::string_view::npos)
            result += fmt::format("\\{:03o}", static_cast<unsigned>(c));
        else
            result += c;
    return result;
}

void fuzz_mountinfo(std::string_view text) {
    if (auto path = find_netns_mount(text, kInode))
        require(path->size() <= text.size(), "a path is not longer than its file", text);
    // The text as a mount point, as the kernel would write it.
    auto line =
        fmt::format("1 1 0:3 / / rw - ext4 x rw\n100 26 0:4 net:[{}] {} rw - nsfs nsfs rw\n",
                    kInode, escaped(text));
    require(find_netns_mount(line, kInode) == text, "a mount point is read back", text);
}

void fuzz_cgroup(std::string_view text) {
    if (auto mount = parse_cgroup_mount(text))
        require(mount->size() < text.size(), "a path is not longer than its file", text);
    if (auto path = parse_process_cgroup(text))
        require(path->starts_with('/') && path->find('\n') == path->npos, "a path is one line",
                text);
    if (text.find('\n') != text.npos) return;
    auto file = fmt::format("9:name=systemd:/other\n1:cpu:/\n0::/{}\n", text);
    require(parse_process_cgroup(file) == fmt::format("/{}", text), "a path is read back", text);
}

} // namespace

void fuzz(Bytes input) {
    auto text = text_of(input);
    fuzz_status(text);
    fuzz_links(text);
    fuzz_mountinfo(text);
    fuzz_cgroup(text);
}

} // namespace bpfport
