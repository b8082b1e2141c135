// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/write_all.hpp"

#include <unistd.h>

namespace bpfport {

Result<void> write_all(const Fd& file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written < 0) return system_error("write");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

} // namespace bpfport
