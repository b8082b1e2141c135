// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/load_log.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace bpfport {

namespace {

std::string& text() {
    static std::string text;
    return text;
}

int append(libbpf_print_level level, const char* format, va_list args) {
    if (level == LIBBPF_DEBUG) return 0;
    char line[4096];
    int length = vsnprintf(line, sizeof(line), format, args);
    text().append(line, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof(line) - 1));
    return length;
}

} // namespace

LoadLog::LoadLog() : previous_(libbpf_set_print(&append)) {
    text().clear();
}

LoadLog::~LoadLog() {
    libbpf_set_print(previous_);
}

std::string LoadLog::reason() {
    auto end = text().find("\n-- END PROG LOAD LOG");
    auto start = text().rfind('\n', text().rfind("\nprocessed ", end) - 1);
    return start < end && end != std::string::npos
               ? text().substr(start + 1, text().find('\n', start + 1) - start - 1)
               : std::string();
}

std::string LoadLog::kernel_message() {
    constexpr std::string_view before = "Kernel error message: ";
    auto at = text().rfind(before);
    if (at == std::string::npos) return {};
    at += before.size();
    return text().substr(at, text().find('\n', at) - at);
}

} // namespace bpfport
