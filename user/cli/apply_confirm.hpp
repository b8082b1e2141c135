// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ApplyConfirm: `apply --confirm 30s` takes back what it did unless `bpfport confirm` follows, so that
// no one who works over the network locks himself out. It waits in the foreground, without the store's lock; a
// hang-up, SIGINT or SIGTERM takes back at once.
//
// What says that one waits is a file in /run: locked while it waits, removed by `bpfport confirm`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "cli/session.hpp"
#include "engine/guard.hpp"
#include "kernel/cgroup.hpp"
#include "state/policy.hpp"
#include "state/table.hpp"

namespace bpfport {

// What was in force before apply, of what it changed.
struct BeforeApply {
    struct Netns {
        const Fd* handle;
        std::uint64_t cookie;
        bool changed;
        std::vector<RuleSpec> rules;
    };
    struct Cgroup {
        CgroupRef cgroup;
        std::string scope;
        PolicyContent content;
    };
    std::vector<Netns> netns; // all of the policy
    std::vector<Cgroup> cgroups;
    std::vector<Guard> guards; // of all network namespaces
};
// Puts that into force again, whatever other commands have changed of it meanwhile.
Result<void> take_back(const Session& session, const BeforeApply& before);

// "30s", "5m" or "30"; from 1 s to an hour.
Result<std::chrono::seconds> parse_duration(const std::string& text);

class ApplyConfirm {
  public:
    ApplyConfirm(ApplyConfirm&&) noexcept = default;
    ApplyConfirm& operator=(ApplyConfirm&&) = delete;
    ~ApplyConfirm();
    // Before anything is changed. An error: another apply waits.
    static Result<ApplyConfirm> begin(const Session& session);
    // Whether it was confirmed.
    Result<bool> wait(std::chrono::seconds time) const;

  private:
    ApplyConfirm(std::filesystem::path path, Fd file)
        : path_(std::move(path)), file_(std::move(file)) {}
    std::filesystem::path path_;
    Fd file_;
};

// An error: an apply of this state directory waits to be confirmed.
Result<void> refuse_while_waiting(const Session& session);
// An error: none waits.
Result<void> confirm_apply(const Session& session);

} // namespace bpfport
