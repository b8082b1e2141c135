// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A network namespace of a test's own: made on construction with lo up, visible to `ip -n NAME` and
// `bpfport --netns NAME`, deleted with every process in it at scope end. See sweep.hpp for what
// becomes of it when the test is killed.
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "base/fd.hpp"

namespace bpfport::test {

inline constexpr auto kNetnsDirectory = "/run/netns";

// Puts the calling thread into a namespace and, at scope end, back where it was.
class NetnsScope {
  public:
    explicit NetnsScope(int netns);
    NetnsScope(const NetnsScope&) = delete;
    NetnsScope& operator=(const NetnsScope&) = delete;
    ~NetnsScope();

  private:
    Fd before_;
};

class Netns {
  public:
    Netns(); // throws std::runtime_error when it can't be made
    Netns(const Netns&) = delete;
    Netns& operator=(const Netns&) = delete;
    ~Netns();

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] unsigned long inode() const;
    [[nodiscard]] int fd() const { return fd_.get(); }

    // Runs function in this namespace, in the calling thread.
    template <typename F> std::invoke_result_t<F> run(F&& function) const {
        const NetnsScope scope(fd());
        return function();
    }

    // Deletes it now, with its processes, and leaves bpfport's state as `ip netns del` does.
    // Nothing else may be asked of it afterwards.
    void destroy();

    // `ip -n NAME arguments`; throws std::runtime_error with ip's words when it fails.
    std::string ip(const std::string& arguments) const;
    // /proc/sys/<name> of this namespace: sysctl("net/ipv4/ip_forward", "1").
    void sysctl(const std::string& key, const std::string& value) const;
    [[nodiscard]] std::string sysctl(const std::string& key) const;
    [[nodiscard]] unsigned ifindex(const std::string& interface) const;

  private:
    std::string name_;
    Fd fd_;
};

} // namespace bpfport::test
