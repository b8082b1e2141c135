// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Text for man pages, in the macros of man(7), which every roff has.
#pragma once

#include <string>
#include <string_view>

namespace bpfport {

// With everything escaped that roff would read as its own: \ - ' ` ^ ~ and a '.' that begins a line.
std::string roff(std::string_view text);

// Text in the form of Topic::text: paragraphs, examples and lists.
std::string roff_prose(std::string_view text);

// "Examples:" at the end of a line, and the lines with two spaces before them that follow, are taken out of
// the text and returned.
std::string take_examples(std::string& text);

} // namespace bpfport
