// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The conversations that bpfport is held against nft's redirect with, and where it means to differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/conformance/stage.hpp"

namespace bpfport::test {

enum class Families { kBoth, kIpv4, kIpv6 };

// Exactly these lines of the transcript are different: "- " what the redirect has, "+ " what
// bpfport has instead. Of a line, the beginning is enough.
struct Difference {
    std::string_view ways; // "tc xdp sklookup"; "tc" is both of its hooks
    std::string_view why;
    std::vector<std::string> lines;
};

struct Conversation {
    const char* name;
    void (*play)(Stage&);
    std::vector<Difference> differences{};
    Families families = Families::kBoth;
};

inline constexpr auto kFirstAddress =
    "the redirect changes the address too, to the interface's first, and the program never learns "
    "which one was asked";

// By what they are about; each of a file of its own.
std::vector<Conversation> tcp_conversations();     // as programs have them
std::vector<Conversation> segment_conversations(); // single segments, right and wrong
std::vector<Conversation> udp_conversations();
std::vector<Conversation> host_conversations(); // addresses, errors, several ports, changes

} // namespace bpfport::test
