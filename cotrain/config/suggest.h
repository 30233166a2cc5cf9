// A sensible config for a data set, from its headers and the memory there is. Called by `duet config --from`.
#pragma once

#include <filesystem>
#include <string>

#include "io/config/config.h"

namespace duet {

// Patch (the median shape, down to a multiple of the network's stride), batch, width, depth, dimensions,
// split and method. memory: bytes that a step may take, in bf16 where told so. Throws Error(data) where
// images cannot be read, Error(usage) where not even the smallest network and patch fit.
ConfigValues suggest_config(const std::filesystem::path& dataset, std::size_t memory, bool bf16 = false);

// Every key with its value, and its explanation in a comment above it; read_config reads it back.
std::string commented_json(const ConfigValues& values);

}  // namespace duet
