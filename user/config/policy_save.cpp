// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_save.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "config/policy_files.hpp"
#include "engine/choice.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kModeOfNew = 0644;

bool exists(const std::string& file) {
    std::error_code error;
    return fs::exists(file, error) || error;
}

// A link stays one: what it leads to is replaced.
std::string target_of(const std::string& file) {
    std::error_code error;
    auto path = fs::canonical(file, error);
    return error ? file : path.string();
}

std::string directory_of(const std::string& file) {
    const auto parent = fs::path(file).parent_path().string();
    return parent.empty() ? "." : parent;
}

// Owner and mode are those of the file that it will replace.
Result<void> write_beside(const std::string& file, const std::string& staged,
                          std::string_view text) {
    struct stat before {};
    const bool replaces = ::stat(file.c_str(), &before) == 0;
    ::unlink(staged.c_str()); // of a save that was killed
    const Fd fd(::open(staged.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd)
        return system_error(staged, errno,
                            errno == ENOENT ? fmt::format("mkdir {}", directory_of(file)) : "");
    if (replaces && ::fchown(fd.get(), before.st_uid, before.st_gid) != 0)
        return system_error(staged);
    if (::fchmod(fd.get(), replaces ? before.st_mode & 07777 : kModeOfNew) != 0)
        return system_error(staged);
    if (auto wrote = write_all(fd, text); !wrote) return context(staged, wrote.error());
    return ::fsync(fd.get()) == 0 ? Result<void>{} : system_error(staged);
}

} // namespace

Result<PolicySave> PolicySave::plan(const std::string& where, const PolicyEdit& edit) {
    std::error_code error;
    const bool is_directory = fs::is_directory(where, error) || where == kPolicyDirectory;
    const std::string first = is_directory ? where + "/policy.toml" : where;
    std::vector<std::string> names;
    if (is_directory)
        if (auto found = policy_files({where})) names = std::move(*found);
    if (std::ranges::find(names, first) == names.end()) names.insert(names.begin(), first);
    std::vector<PolicyFile> files;
    std::vector<bool> is_new;
    for (const auto& name : names) {
        is_new.push_back(name == first && !exists(name));
        auto text = is_new.back() ? Result<std::string>() : read_policy_file(name, Trust::kOwn);
        if (!text) return std::unexpected(text.error());
        files.push_back({name, std::move(*text)});
    }
    auto edited = edit_policy(files, 0, edit, engine_choices());
    if (!edited) return context(fmt::format("save in {}", where), edited.error());
    PolicySave save;
    save.where_ = first;
    for (std::size_t index = 0; index < files.size(); index++)
        if (auto& after = (*edited)[index]; after.text != files[index].text)
            save.files_.push_back(
                {after.name, std::move(files[index].text), std::move(after.text), is_new[index]});
    return save;
}

PolicySave::~PolicySave() {
    for (const auto& file : files_)
        if (!file.staged.empty()) ::unlink(file.staged.c_str());
}

Result<void> PolicySave::stage(File& file) {
    const fs::path target = target_of(file.name);
    file.staged = target.parent_path() / fmt::format(".{}.bpfport", target.filename().string());
    return write_beside(target, file.staged, file.after);
}

Result<void> PolicySave::stage() {
    for (auto& file : files_)
        if (auto done = stage(file); !done) return done;
    return {};
}

Result<void> PolicySave::publish(File& file) {
    const auto target = target_of(file.name);
    auto now = exists(target) ? read_policy_file(target, Trust::kOwn) : Result<std::string>();
    if (!now) return std::unexpected(now.error());
    if (*now != file.before || file.is_new == exists(target))
        return failure(fmt::format("{} has changed meanwhile", file.name), "run the command again");
    if (::rename(file.staged.c_str(), target.c_str()) != 0) return system_error(file.name);
    file.staged.clear();
    const Fd directory(::open(directory_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory) ::fsync(directory.get());
    return {};
}

Result<void> PolicySave::publish() {
    for (auto& file : files_)
        if (auto done = publish(file); !done) return done;
    return {};
}

std::vector<std::string> PolicySave::lines(std::string_view done) const {
    if (files_.empty()) return {fmt::format("nothing to save in {}", where_)};
    std::vector<std::string> lines;
    for (const auto& file : files_) lines.push_back(fmt::format("{} in {}", done, file.name));
    return lines;
}

} // namespace bpfport
