// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames of an interface, seen and injected through AF_PACKET. Capturing begins on construction.
// A VLAN tag that the kernel keeps beside the frame is put back into it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "harness/link.hpp"
#include "harness/model.hpp"

namespace bpfport::test {

struct Captured {
    Bytes frame;
    View view;
    bool outgoing = false;
    bool checksum_ready = true; // false: CHECKSUM_PARTIAL, to be finished by the device
};

using FrameFilter = std::function<bool(const Captured&)>;

// Frames with this port on either side, those quoted by ICMP errors included.
FrameFilter with_port(std::uint16_t port);

class Capture {
  public:
    // Throws std::runtime_error when the interface can't be opened.
    explicit Capture(const Interface& interface);

    // The interface transmits the frame as it is (injected frames meet tc egress).
    void send(const Bytes& frame) const;

    // The next frame that the filter wants; none within the patience.
    std::optional<Captured> next(const FrameFilter& filter,
                                 std::chrono::milliseconds patience = std::chrono::seconds(2));
    // Everything so far, and until nothing has come for a while.
    std::vector<Captured> all(const FrameFilter& filter,
                              std::chrono::milliseconds quiet = std::chrono::milliseconds(100));

    [[nodiscard]] Start start() const { return start_; }

  private:
    std::string name_;
    Fd socket_;
    Start start_ = Start::kEthernet;
};

} // namespace bpfport::test
