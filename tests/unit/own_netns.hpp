// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Runs a test's body in a thread with a network namespace of its own, lo up, so that nothing of the
// machine is seen or touched. Returns why it could not, for GTEST_SKIP; empty when it ran.
#pragma once

#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

inline bool set_loopback_up() {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

template <typename Body> [[nodiscard]] std::string in_own_netns(Body body) {
    std::string refusal;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) < 0 || !set_loopback_up())
            refusal = "no network namespace of its own: " + error_text(errno);
        else
            body();
    }).join();
    return refusal;
}

} // namespace bpfport
