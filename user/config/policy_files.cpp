// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/directory.hpp"
#include "base/fd.hpp"
#include "config/policy_check.hpp"
#include "engine/choice.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

// Editors and package managers leave others beside them: .policy.toml.swp, 80.toml.dpkg-old.
bool is_policy(const fs::path& path) {
    const std::string name = path.filename();
    return name.ends_with(".toml") && !name.starts_with('.');
}

std::vector<std::string> files_of(const fs::path& directory) {
    std::vector<std::string> files;
    std::error_code error;
    const fs::path first = directory / "policy.toml";
    if (fs::exists(first, error) || error) files.push_back(first);
    auto more = entries_of(directory / "policy.d");
    std::erase_if(more, [](const fs::path& path) { return !is_policy(path); });
    std::ranges::sort(more);
    files.insert(files.end(), more.begin(), more.end());
    return files;
}

Result<void> check_owner(const std::string& file, const struct stat& status) {
    if (status.st_uid != 0 && status.st_uid != ::geteuid())
        return failure(fmt::format("{} belongs to user {}, who could have any port redirected",
                                   file, status.st_uid),
                       fmt::format("chown root {}", file));
    if (status.st_mode & S_IWOTH)
        return failure(fmt::format("every user may write {}", file),
                       fmt::format("chmod o-w {}", file));
    return {};
}

} // namespace

Result<std::vector<std::string>> policy_files(const std::vector<std::string>& names) {
    std::vector<std::string> files;
    const std::vector<std::string> usual{kPolicyDirectory};
    for (const auto& name : names.empty() ? usual : names) {
        std::error_code error;
        if (!names.empty() && !fs::is_directory(name, error)) {
            files.push_back(name);
            continue;
        }
        auto found = files_of(name);
        if (found.empty())
            return failure(
                fmt::format("there is no policy: neither {0}/policy.toml nor {0}/policy.d/*.toml",
                            name),
                "write one (docs/policy.md), or name a file");
        files.insert(files.end(), found.begin(), found.end());
    }
    return files;
}

Result<std::string> read_policy_file(const std::string& file, Trust trust) {
    constexpr std::size_t kMost = std::size_t{16} << 20U;
    const Fd fd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return system_error(file);
    if (!S_ISREG(status.st_mode))
        return failure(fmt::format("{} is no regular file", file), "name a file or a directory");
    if (trust == Trust::kOwn)
        if (auto own = check_owner(file, status); !own) return std::unexpected(own.error());
    std::string text;
    char part[16384];
    for (ssize_t got = 0; (got = ::read(fd.get(), part, sizeof(part))) != 0;) {
        if (got < 0) return system_error(file);
        text.append(part, static_cast<std::size_t>(got));
        if (text.size() > kMost) return failure(fmt::format("{} has more than 16 MB", file));
    }
    return text;
}

std::expected<LoadedPolicy, PolicyFaults> load_policy(const std::vector<std::string>& names,
                                                      Trust trust) {
    auto files = policy_files(names);
    if (!files) return std::unexpected(PolicyFaults{files.error(), {}});
    const auto engines = engine_choices();
    PolicyReading reading;
    for (const auto& file : *files) {
        auto text = read_policy_file(file, trust);
        if (!text) return std::unexpected(PolicyFaults{text.error(), {}});
        read_policy(file, *text, engines, reading);
    }
    auto more = check_policy(reading.policy);
    std::ranges::move(more, std::back_inserter(reading.errors));
    if (reading.errors.empty()) return LoadedPolicy{std::move(reading.policy), std::move(*files)};
    std::ranges::stable_sort(reading.errors, {}, [&](const SourceError& error) {
        auto file = std::ranges::find(*files, error.place.file);
        return std::tuple(file, error.place.line, error.place.column);
    });
    std::vector<std::string> wrong;
    for (const auto& error : reading.errors)
        if (std::ranges::find(wrong, error.place.file) == wrong.end())
            wrong.push_back(error.place.file);
    const std::size_t count = reading.errors.size();
    auto error = usage_error(
        fmt::format("{} error{} in {}", count, count == 1 ? "" : "s", fmt::join(wrong, ", ")));
    return std::unexpected(PolicyFaults{error.error(), std::move(reading.errors)});
}

} // namespace bpfport
