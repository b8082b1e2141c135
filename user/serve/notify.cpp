// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/notify.hpp"

#include <cstdint>
#include <ctime>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "base/text.hpp"

namespace bpfport {

Notify::Notify() {
    std::uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) > 0)
        interval_ = std::chrono::milliseconds(microseconds / 2000);
}

void Notify::ready() const { sd_notify(0, "READY=1"); }

// The time is what systemd 253 and later want with Type=notify-reload.
void Notify::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    constexpr long kMicro = 1'000'000, kNano = 1000;
    sd_notify(
        0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * kMicro + now.tv_nsec / kNano)
               .c_str());
}

void Notify::stopping() const { sd_notify(0, "STOPPING=1"); }

void Notify::status(const std::string& text) {
    if (text == status_) return;
    status_ = text;
    sd_notify(0, fmt::format("STATUS={}", printable(text)).c_str());
}

void Notify::alive() const { sd_notify(0, "WATCHDOG=1"); }

} // namespace bpfport
