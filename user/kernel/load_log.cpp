// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/load_log.hpp"

#include <cstdarg>
#include <cstdio>

namespace bpfport {

namespace {

std::string& kept() {
    static std::string text;
    return text;
}

// One message is a program's whole log, so its length is asked first.
int append(libbpf_print_level level, const char* format, va_list args) {
    if (level == LIBBPF_DEBUG) return 0;
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0) return 0;
    std::string& text = kept();
    const auto before = text.size();
    text.resize(before + static_cast<std::size_t>(length) + 1);
    vsnprintf(text.data() + before, static_cast<std::size_t>(length) + 1, format, args);
    text.pop_back();
    return length;
}

} // namespace

LoadLog::LoadLog() : previous_(libbpf_set_print(&append)) { kept().clear(); }

LoadLog::~LoadLog() { libbpf_set_print(previous_); }

std::string_view LoadLog::text() { return kept(); }

std::string LoadLog::kernel_message() {
    constexpr std::string_view before = "Kernel error message: ";
    auto at = kept().rfind(before);
    if (at == std::string::npos) return {};
    at += before.size();
    return kept().substr(at, kept().find('\n', at) - at);
}

} // namespace bpfport
