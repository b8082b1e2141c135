// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames off the wire, as `trace --capture` looks at them.
#include "trace/frame.hpp"

#include <algorithm>

#include "fuzz.hpp"

namespace bpfport {

namespace {

// The destination port is found by its value: a byte whose change shows as that change of the port. Another byte may do
// the same, e.g. the length of an extension header that moves the transport header; the port's own spoils the checksum.
void require_checksum_notices(Frame frame, const FrameView& view) {
    bool noticed = false;
    for (std::size_t i = 14; i + 1 < frame.size() && !noticed; i++) {
        frame[i + 1] ^= 1;
        FrameView changed = view_frame(frame);
        noticed = changed.protocol == view.protocol && changed.source == view.source &&
                  changed.destination == view.destination &&
                  changed.source_port == view.source_port &&
                  changed.destination_port == (view.destination_port ^ 1) &&
                  changed.checksum == ChecksumState::kWrong;
        frame[i + 1] ^= 1;
    }
    require(noticed, "a changed port spoils the checksum");
}

} // namespace

void fuzz(Bytes input) {
    Frame frame(input.size());
    std::ranges::transform(input, frame.begin(), [](auto b) { return std::to_integer<int>(b); });
    FrameView view = view_frame(frame);
    auto text = view.to_string();
    require(is_printable(text) && !text.empty(), "a frame has a text", text);
    require(view.protocol.has_value() == view.other.empty(), "it is one or the other", text);
    require(view.protocol || view.checksum == ChecksumState::kUnknown, "no ports, no checksum",
            text);
    constexpr std::size_t kShort = 256; // the search takes the square of the length
    if (view.checksum == ChecksumState::kCorrect && frame.size() <= kShort)
        require_checksum_notices(frame, view);
}

} // namespace bpfport
