// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// An expression of nft's JSON as nft itself would write it, more or less: this is for messages.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bpfport {

std::string nft_text(const nlohmann::json& expression);

// The string under a key of an object; empty without one.
std::string text_of(const nlohmann::json& object, const char* key);

} // namespace bpfport
