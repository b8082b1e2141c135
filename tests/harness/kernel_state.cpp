// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/kernel_state.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/file.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "base/error.hpp"
#include "harness/process.hpp"
#include "harness/sweep.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kPins = "/sys/fs/bpf/bpfport";
constexpr std::string_view kOurs = "bp_";

// Calls visit(id, info) for each object of one kind. Objects may go while we walk.
template <typename Info, typename Visit>
void walk(int (*next)(__u32, __u32*), int (*open)(__u32), Visit visit) {
    for (__u32 id = 0; next(id, &id) == 0;) {
        const Fd fd(open(id));
        Info info{};
        __u32 size = sizeof(info);
        if (fd && ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0) visit(id, info);
    }
}

void add_pins(std::set<std::string>& things) {
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(kPins, ignored))
        things.insert("pin " + entry.path().string());
}

std::string filters(const Netns& netns) {
    std::string out;
    for (const auto& device : netns.run([] {
             std::vector<std::string> names;
             struct if_nameindex* all = ::if_nameindex();
             for (auto* one = all; one != nullptr && one->if_index != 0; ++one)
                 names.emplace_back(one->if_name);
             ::if_freenameindex(all);
             return names;
         }))
        for (const char* side : {"ingress", "egress"})
            out += run({"tc", "-n", netns.name(), "filter", "show", "dev", device, side}).out;
    return out;
}

} // namespace

KernelLock::KernelLock() {
    static_cast<void>(unique_name()); // makes the directory, and sweeps the first time
    lock_ = Fd(::open("/run/bpfport-tests/kernel.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock_ || ::flock(lock_.get(), LOCK_EX) != 0)
        throw std::runtime_error("kernel.lock: " + error_text(errno));
    sweep(); // whoever held it may have died
}

KernelSnapshot KernelSnapshot::take() {
    KernelSnapshot snapshot;
    std::map<__u32, std::string> programs;
    add_pins(snapshot.things);
    walk<bpf_prog_info>(::bpf_prog_get_next_id, ::bpf_prog_get_fd_by_id,
                        [&](__u32 id, const bpf_prog_info& info) {
                            if (!std::string_view(info.name).starts_with(kOurs)) return;
                            programs[id] = info.name;
                            snapshot.things.insert(fmt::format("program {} {}", id, info.name));
                        });
    walk<bpf_map_info>(::bpf_map_get_next_id, ::bpf_map_get_fd_by_id,
                       [&](__u32 id, const bpf_map_info& info) {
                           if (std::string_view(info.name).starts_with(kOurs))
                               snapshot.things.insert(fmt::format("map {} {}", id, info.name));
                       });
    walk<bpf_link_info>(
        ::bpf_link_get_next_id, ::bpf_link_get_fd_by_id, [&](__u32 id, const bpf_link_info& info) {
            if (const auto program = programs.find(info.prog_id); program != programs.end())
                snapshot.things.insert(fmt::format("link {} of {}", id, program->second));
        });
    return snapshot;
}

testing::AssertionResult expect_kernel_empty(const NetnsList& namespaces,
                                             const KernelSnapshot& before,
                                             std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const auto now = KernelSnapshot::take().things;
        std::vector<std::string> left;
        std::ranges::set_difference(now, before.things, std::back_inserter(left));
        if (left.empty()) return testing::AssertionSuccess();
        if (std::chrono::steady_clock::now() >= end) {
            auto failure = testing::AssertionFailure() << "the kernel still holds:";
            for (const std::string& thing : left)
                failure << "\n  " << thing;
            for (const Netns& netns : namespaces)
                failure << "\nfilters in " << netns.name() << ":\n" << filters(netns);
            return failure;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

} // namespace bpfport::test
