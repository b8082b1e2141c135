// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/load_log.hpp"

#include <cstdarg>
#include <cstdio>

#include <bpf/libbpf.h>

namespace bpfport {

namespace {

thread_local std::string kept;
thread_local bool keeps = false;

// One message is a program's whole log, so its length is asked first.
int append(libbpf_print_level level, const char* format, va_list args) {
    if (!keeps || level == LIBBPF_DEBUG) return 0;
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0) return 0;
    const auto before = kept.size();
    kept.resize(before + static_cast<std::size_t>(length) + 1);
    vsnprintf(kept.data() + before, static_cast<std::size_t>(length) + 1, format, args);
    kept.pop_back();
    return length;
}

} // namespace

LoadLog::LoadLog() {
    libbpf_set_print(&append); // the process's; silent where no log is kept
    kept.clear();
    keeps = true;
}

LoadLog::~LoadLog() { keeps = false; }

std::string_view LoadLog::text() { return kept; }

std::string LoadLog::kernel_message() {
    constexpr std::string_view before = "Kernel error message: ";
    auto at = kept.rfind(before);
    if (at == std::string::npos) return {};
    at += before.size();
    return kept.substr(at, kept.find('\n', at) - at);
}

} // namespace bpfport
