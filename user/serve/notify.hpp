// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What systemd is told of a service (sd_notify). Without systemd (no NOTIFY_SOCKET) nothing happens.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace bpfport {

class Notify {
  public:
    Notify();

    void ready() const;
    void reloading() const;
    void stopping() const;
    void status(const std::string& text); // told when it differs from the one before
    void alive() const;                   // the watchdog's

    // How often alive() is wanted: half the watchdog's time. nullopt: there is no watchdog.
    [[nodiscard]] std::optional<std::chrono::milliseconds> interval() const { return interval_; }

  private:
    std::optional<std::chrono::milliseconds> interval_;
    std::string status_;
};

} // namespace bpfport
