// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The compiled xdp program, loaded for one interface over the maps of an instance.
#pragma once

#include <cstddef>
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

const void* xdp_object_bytes(std::size_t* size);

} // namespace bpfport
