// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/policy_source.hpp"

#include <sys/stat.h>

#include <fmt/format.h>

#include "config/policy_files.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

using Level = LogEntry::Level;

std::vector<LogEntry> log_entries(const PolicyFaults& faults) {
    std::vector<LogEntry> entries;
    for (const auto& error : faults.errors)
        entries.push_back({Level::kError, "policy",
                           fmt::format("{}: {}", error.place.to_string(), error.message),
                           error.hint});
    entries.push_back({Level::kError, "policy", faults.error.message, faults.error.hint});
    return entries;
}

} // namespace

PolicySource::PolicySource(const std::vector<std::string>& names) {
    for (const auto& name : names) {
        std::error_code error;
        const auto path = fs::absolute(name, error);
        names_.push_back(error ? name : path.native());
    }
}

PolicySource::Stamps PolicySource::stamps() const {
    Stamps stamps;
    auto files = policy_files(names_);
    if (!files) return stamps;
    for (const auto& file : *files) {
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0) continue;
        stamps[file] = {static_cast<std::int64_t>(status.st_dev),
                        static_cast<std::int64_t>(status.st_ino),
                        status.st_size,
                        status.st_mtim.tv_sec,
                        status.st_mtim.tv_nsec,
                        status.st_ctim.tv_sec,
                        status.st_ctim.tv_nsec};
    }
    return stamps;
}

void PolicySource::load(ServeLog& log) {
    stamps_ = stamps(); // before: what is written meanwhile is a change
    auto loaded = load_policy(names_, Trust::kOwn);
    if (!loaded) {
        auto entries = log_entries(loaded.error());
        fault_ = loaded.error().error.message;
        entries.push_back({Level::kWarning, "policy",
                           policy_
                               ? "the files are not applied; what they had before stays in force"
                               : "the files are not applied; nothing is changed"});
        log.holds("policy", entries);
        return;
    }
    log.holds("policy", {});
    log.write({Level::kInfo, "policy",
               fmt::format("{} file{} read", loaded->files.size(),
                           loaded->files.size() == 1 ? "" : "s")});
    policy_ = std::move(loaded->policy);
    fault_.clear();
}

std::set<fs::path> PolicySource::directories() const {
    std::set<fs::path> all;
    const std::vector<std::string> usual{kPolicyDirectory};
    for (const fs::path name : names_.empty() ? usual : names_) {
        std::error_code error;
        if (names_.empty() || fs::is_directory(name, error))
            all.insert({name, name / "policy.d"});
        else
            all.insert(name.parent_path());
    }
    // A link's target is changed elsewhere.
    if (auto files = policy_files(names_))
        for (const auto& file : *files) {
            std::error_code error;
            if (auto real = fs::canonical(file, error); !error) all.insert(real.parent_path());
        }
    return all;
}

std::set<std::string> PolicySource::netns() const {
    std::set<std::string> names{""};
    if (policy_)
        for (const auto& entry : policy_->entries) names.insert(entry.options.netns);
    return names;
}

std::vector<Scope> PolicySource::cgroups() const {
    std::set<Scope> scopes;
    if (policy_)
        for (const auto& entry : policy_->entries) {
            if (entry.on_cgroup)
                for (const auto& scope : entry.scopes) scopes.insert(scope.value);
            const auto& owner = entry.options.owner;
            if (auto scope = parse_scope(owner); scope && scope->is_cgroup()) scopes.insert(*scope);
        }
    return {scopes.begin(), scopes.end()};
}

} // namespace bpfport
