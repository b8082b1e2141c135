// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Capture files as tcpdump writes them, read by libpcap (pcap of both byte orders, pcapng).
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "trace/frame.hpp"

namespace bpfport {

struct CapturedFrame {
    Frame frame;              // begins with an Ethernet header
    bool made_header = false; // the capture had none ("-i any", tun); ours is for `destination`
};

// All frames of the file. Those without an Ethernet header get one for `destination`.
Result<std::vector<CapturedFrame>> read_capture(const std::string& path, const Mac& destination);

} // namespace bpfport
