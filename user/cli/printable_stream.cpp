// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/printable_stream.hpp"

#include <string_view>

#include "base/text.hpp"

namespace bpfport {

void HeldText::add(std::ostream& target, std::string_view text) {
    if (parts_.empty() || parts_.back().first != &target) parts_.emplace_back(&target, "");
    parts_.back().second += text;
}

void HeldText::write() {
    for (const auto& [target, text] : std::exchange(parts_, {}))
        target->write(text.data(), static_cast<std::streamsize>(text.size())).flush();
}

void PrintableBuffer::write_line() {
    held_.add(out_, printable(line_));
    line_.clear();
}

void PrintableBuffer::add(std::string_view text) {
    for (std::size_t end = 0; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
        line_ += text.substr(0, end);
        write_line();
        held_.add(out_, "\n");
    }
    line_ += text;
}

PrintableBuffer::int_type PrintableBuffer::overflow(int_type c) {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    const char byte = traits_type::to_char_type(c);
    add({&byte, 1});
    return c;
}

std::streamsize PrintableBuffer::xsputn(const char* text, std::streamsize size) {
    add({text, static_cast<std::size_t>(size)});
    return size;
}

int PrintableBuffer::sync() {
    write_line();
    held_.write();
    return out_.good() ? 0 : -1;
}

} // namespace bpfport
