// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/error.hpp"

#include <cstring>

#include <fmt/format.h>

namespace bpfport {

std::string error_text(int code) {
    constexpr int kKernelNotSupported = 524; // include/linux/errno.h: ENOTSUPP, not in libc
    if (code == kKernelNotSupported) return "Operation not supported by this kernel";
    return std::strerror(code);
}

std::unexpected<Error> system_error(std::string_view what, int code, std::string hint) {
    return std::unexpected(
        Error{code, fmt::format("{}: {}", what, error_text(code)), std::move(hint)});
}

std::unexpected<Error> failure(std::string message, std::string hint) {
    return std::unexpected(Error{0, std::move(message), std::move(hint)});
}

std::unexpected<Error> usage_error(std::string message, std::string hint) {
    return std::unexpected(Error{0, std::move(message), std::move(hint), Fault::kUsage});
}

std::unexpected<Error> context(std::string_view what, Error error) {
    error.message = fmt::format("{}: {}", what, error.message);
    return std::unexpected(std::move(error));
}

} // namespace bpfport
