// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Errors as values. A leaf names what it tried, each level adds its own words once with context(),
// and main prints the result once: "bpfport: attach eth0 80:3000: load tc program: Operation not
// permitted", then "hint: ..." on a line of its own when there is something to do about it.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace bpfport {

// What the exit status says: 1 when the system refused, 2 when the words typed were wrong; and as
// env(1) does, 126 when a program could not be executed, 127 when it was not found.
enum class Fault { kSystem = 1, kUsage = 2, kNotExecutable = 126, kNotFound = 127 };

struct Error {
    int code = 0; // errno, or 0 when no system call failed
    std::string message;
    std::string hint; // what to do next; empty when nothing is known to help
    Fault fault = Fault::kSystem;
};

template <typename T> using Result = std::expected<T, Error>;

// "what: strerror(code)". Knows errno 524 (ENOTSUPP), which strerror does not.
[[nodiscard]] std::unexpected<Error> system_error(std::string_view what, int code = errno,
                                                  std::string hint = {});

// An error with no errno behind it.
[[nodiscard]] std::unexpected<Error> failure(std::string message, std::string hint = {});

// Bad input: exit status 2.
[[nodiscard]] std::unexpected<Error> usage_error(std::string message, std::string hint = {});

// The same error with "what: " before its message.
[[nodiscard]] std::unexpected<Error> context(std::string_view what, Error error);

std::string error_text(int code);

} // namespace bpfport

// Evaluates a Result; returns its error from the enclosing function, with words added.
#define BP_TRY(result, what)                                                                       \
    do {                                                                                           \
        auto bp_try_result = (result);                                                             \
        if (!bp_try_result) return ::bpfport::context((what), std::move(bp_try_result.error()));   \
    } while (false)
