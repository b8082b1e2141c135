// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// PrintableStream: where all text of a command goes through on its way out. Each line is made
// printable (base/text.hpp), so that no name, whatever message it is in, reaches the terminal as it is.
#pragma once

#include <ostream>
#include <streambuf>
#include <string>

namespace bpfport {

class PrintableBuffer : public std::streambuf {
  public:
    explicit PrintableBuffer(std::ostream& out) : out_(out) {}
    PrintableBuffer(const PrintableBuffer&) = delete;
    PrintableBuffer& operator=(const PrintableBuffer&) = delete;
    ~PrintableBuffer() override { write_line(); }

  protected:
    int_type overflow(int_type c) override;
    std::streamsize xsputn(const char* text, std::streamsize size) override;
    int sync() override;

  private:
    bool write_line();
    bool add(std::string_view text);

    std::ostream& out_;
    std::string line_; // without its end, so far
};

class PrintableStream : public std::ostream {
  public:
    explicit PrintableStream(std::ostream& target) : std::ostream(nullptr), buffer_(target) {
        rdbuf(&buffer_);
    }

  private:
    PrintableBuffer buffer_;
};

} // namespace bpfport
