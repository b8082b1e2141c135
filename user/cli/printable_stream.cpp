// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/printable_stream.hpp"

#include <string_view>

#include "base/text.hpp"

namespace bpfport {

bool PrintableBuffer::write_line() {
    const std::string text = printable(line_);
    line_.clear();
    return text.empty() || out_.write(text.data(), static_cast<std::streamsize>(text.size()));
}

bool PrintableBuffer::add(std::string_view text) {
    bool written = true;
    for (std::size_t end = 0; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
        line_ += text.substr(0, end);
        written = write_line() && out_.put('\n') && written;
    }
    line_ += text;
    return written;
}

PrintableBuffer::int_type PrintableBuffer::overflow(int_type c) {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    const char byte = traits_type::to_char_type(c);
    return add({&byte, 1}) ? c : traits_type::eof();
}

std::streamsize PrintableBuffer::xsputn(const char* text, std::streamsize size) {
    return add({text, static_cast<std::size_t>(size)}) ? size : 0;
}

int PrintableBuffer::sync() {
    return write_line() && out_.flush() ? 0 : -1;
}

} // namespace bpfport
