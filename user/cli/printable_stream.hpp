// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// PrintableStream: where all text of a command goes through on its way out. Each line is made
// printable (base/text.hpp), so that no name, whatever message it is in, reaches the terminal as it is.
// It is written when a stream is flushed or at the end, in the order in which it came: a command
// that holds the store's lock must not wait for the reader of its output.
#pragma once

#include <ostream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

namespace bpfport {

// Text for several streams, kept until write().
class HeldText {
  public:
    HeldText() = default;
    HeldText(const HeldText&) = delete;
    HeldText& operator=(const HeldText&) = delete;
    ~HeldText() { write(); }
    void add(std::ostream& target, std::string_view text);
    void write();

  private:
    std::vector<std::pair<std::ostream*, std::string>> parts_;
};

class PrintableBuffer : public std::streambuf {
  public:
    PrintableBuffer(std::ostream& out, HeldText& held) : out_(out), held_(held) {}
    PrintableBuffer(const PrintableBuffer&) = delete;
    PrintableBuffer& operator=(const PrintableBuffer&) = delete;
    ~PrintableBuffer() override { write_line(); }

  protected:
    int_type overflow(int_type c) override;
    std::streamsize xsputn(const char* text, std::streamsize size) override;
    int sync() override;

  private:
    void write_line();
    void add(std::string_view text);

    std::ostream& out_;
    HeldText& held_;
    std::string line_; // without its end, so far
};

class PrintableStream : public std::ostream {
  public:
    PrintableStream(std::ostream& target, HeldText& held)
        : std::ostream(nullptr), buffer_(target, held) {
        rdbuf(&buffer_);
    }

  private:
    PrintableBuffer buffer_;
};

} // namespace bpfport
