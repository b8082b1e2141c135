// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// CgroupWatch: whether the cgroups that a policy names are others than before: made, removed, made again. Every cgroup
// is made and removed as a directory, so inotify on the directories above says when to look.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "rule/scope.hpp"
#include "serve/inotify.hpp"

namespace bpfport {

class CgroupWatch {
  public:
    static Result<CgroupWatch> open();

    // From now on these; none: no directory is watched.
    void follow(std::vector<Scope> scopes);
    [[nodiscard]] int fd() const { return inotify_.fd(); }
    // Whether one of them is another cgroup now. Doesn't wait.
    bool take();
    // A container was not found although cgroups came: its runtime writes its name down a little later, in a place of
    // its own. So it is looked for some more times.
    [[nodiscard]] bool expects() const { return looks_left_ > 0; }
    bool look_again();

  private:
    explicit CgroupWatch(Inotify inotify) : inotify_(std::move(inotify)) {}
    void refresh();
    [[nodiscard]] bool find_all(); // whether they differ

    Inotify inotify_;
    std::vector<Scope> scopes_;
    std::vector<std::uint64_t> found_; // ids; 0: not there
    unsigned looks_left_ = 0;
};

} // namespace bpfport
