// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The value of one key: read as the key's row (policy_keys.hpp) says. An error says what is written and
// what is accepted.
#pragma once

#include <span>
#include <string>

#include "base/error.hpp"
#include "config/policy_keys.hpp"
#include "config/toml.hpp"

namespace bpfport {

// `engines`: the words that `engine` accepts.
Error wrong_value(const PolicyKey& key, const TomlValue& value,
                  std::span<const std::string> engines);

Result<void> set_option(const PolicyKey& key, const TomlValue& value,
                        std::span<const std::string> engines, EntryOptions& options);
Result<void> set_option(const PolicyKey& key, const TomlValue& value, HostOptions& options);

} // namespace bpfport
