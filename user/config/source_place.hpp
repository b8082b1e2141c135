// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// SourcePlace: where in a file something is written, for messages, and what is wrong there.
#pragma once

#include <string>

namespace bpfport {

struct SourcePlace {
    std::string file;
    unsigned line = 0; // from 1 on; 0: the file as a whole
    unsigned column = 0;

    [[nodiscard]] std::string to_string() const; // policy.toml:3:9
};

struct SourceError {
    SourcePlace place;
    std::string message;
    std::string hint; // the accepted form; empty: nothing to add

    // "policy.toml:3:9: rule \"80\": no target port\n    write ...\n"
    [[nodiscard]] std::string to_string() const;
};

} // namespace bpfport
