// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames off the wire, as `trace --capture` looks at them.
#include "trace/frame.hpp"

#include <algorithm>

#include "fuzz.hpp"

namespace bpfport {

namespace {

// Where the port stands, found by its value: the only place whose change shows as that change.
void require_checksum_notices(Frame frame, const FrameView& view) {
    for (std::size_t i = 14; i + 1 < frame.size(); i++) {
        frame[i + 1] ^= 1;
        FrameView changed = view_frame(frame);
        bool is_port = changed.protocol == view.protocol && changed.source == view.source &&
                       changed.destination == view.destination &&
                       changed.source_port == view.source_port &&
                       changed.destination_port == (view.destination_port ^ 1);
        frame[i + 1] ^= 1;
        if (!is_port) continue;
        require(changed.checksum == ChecksumState::kWrong, "a changed port spoils the checksum");
        return;
    }
    require(false, "the destination port is somewhere in the frame");
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
