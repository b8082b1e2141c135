// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/process.hpp"

#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unordered_set>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace bpfport {

namespace {

namespace fs = std::filesystem;

template <typename T> std::optional<T> parse_number(std::string_view text) {
    T value{};
    auto* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

// "Name:\tnginx" -> "nginx"
std::optional<std::string_view> field(std::string_view status, std::string_view name) {
    while (!status.empty()) {
        auto line = status.substr(0, status.find('\n'));
        status.remove_prefix(std::min(line.size() + 1, status.size()));
        if (!line.starts_with(name)) continue;
        line.remove_prefix(name.size());
        if (line.starts_with(":\t")) return line.substr(2);
    }
    return std::nullopt;
}

} // namespace

std::string Process::to_string() const {
    return fmt::format("{} (pid {}, user {})", comm, pid, user_name(uid));
}

std::vector<pid_t> all_processes() {
    std::vector<pid_t> pids;
    for (const auto& path : entries_of("/proc"))
        if (auto pid = parse_number<pid_t>(path.filename().native())) pids.push_back(*pid);
    std::ranges::sort(pids);
    return pids;
}

ProcessArguments process_arguments(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/cmdline", pid));
    ProcessArguments arguments;
    for (std::string word; std::getline(file, word, '\0');) arguments.push_back(std::move(word));
    return arguments;
}

std::unordered_map<std::uint32_t, Process> socket_owners(std::span<const std::uint32_t> inodes) {
    std::unordered_map<std::uint32_t, Process> owners;
    std::unordered_set<std::uint32_t> wanted(inodes.begin(), inodes.end());
    wanted.erase(0); // a socket that no process holds
    if (wanted.empty()) return owners;
    for (pid_t pid : all_processes()) {
        if (wanted.empty()) break;
        for (const auto& path : entries_of(fmt::format("/proc/{}/fd", pid))) {
            std::error_code error;
            auto inode = parse_socket_link(fs::read_symlink(path, error).native());
            if (error || !inode || !wanted.contains(*inode)) continue;
            auto process = find_process(pid);
            if (!process) continue;
            owners.emplace(*inode, std::move(*process));
            wanted.erase(*inode);
        }
    }
    return owners;
}

std::optional<Process> find_process(pid_t pid) {
    return parse_process_status(read_file(fmt::format("/proc/{}/status", pid)));
}

std::string user_name(uid_t uid) {
    std::vector<char> buffer(16384); // what glibc suggests is less than some directories need
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found)
        return found->pw_name;
    return std::to_string(uid);
}

std::optional<std::uint32_t> parse_socket_link(std::string_view link) {
    constexpr std::string_view kStart = "socket:[";
    if (!link.starts_with(kStart) || !link.ends_with(']')) return std::nullopt;
    return parse_number<std::uint32_t>(link.substr(kStart.size(), link.size() - kStart.size() - 1));
}

std::optional<Process> parse_process_status(std::string_view status) {
    auto comm = field(status, "Name");
    auto pid = field(status, "Pid");
    auto parent = field(status, "PPid");
    auto uids = field(status, "Uid"); // real, effective, saved, filesystem
    if (!comm || !pid || !parent || !uids) return std::nullopt;
    auto number = parse_number<pid_t>(*pid);
    auto uid = parse_number<uid_t>(uids->substr(0, uids->find('\t')));
    auto parent_number = parse_number<pid_t>(*parent);
    if (!number || !uid || !parent_number) return std::nullopt;
    return Process{*number, printable(*comm), *uid, *parent_number};
}

} // namespace bpfport
