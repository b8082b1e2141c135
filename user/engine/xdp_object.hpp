// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The compiled xdp program, loaded for one interface over the maps of an instance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// Frames to another link-layer address than this (6 bytes) are none of the program's business.
// Where the kernel knows XDP fragments (5.18) the program takes packets that have some.
Result<Fd> load_xdp_program(const std::filesystem::path& instance,
                            std::span<const std::uint8_t> address);

std::uint64_t xdp_object_digest(std::uint64_t before); // object_digest() in kernel/object.hpp

} // namespace bpfport
