// Networks and optimisers as safetensors: names and layouts are PyTorch's (nn/README.md), so the files load
// there as they are. Called by checkpoints, warm start and prediction.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "io/weights/safetensors.h"
#include "nn/network.h"

namespace duet {

// Arrays in PyTorch's order (of a network of 2 or 3 dimensions); prefix goes before each name.
void append_state(SafetensorsFile& file, const std::vector<NamedTensor>& state, int dimensions,
                  const std::string& prefix = "");

// Fills the tensors of `state` from the file and marks them changed. Throws Error(data) naming `source` and
// the array: one that is missing or of another shape (of another network), or, where `exact`, one too many.
void restore_state(const SafetensorsFile& file, const std::vector<NamedTensor>& state,
                   const std::string& prefix, const std::string& source, bool exact, int dimensions);

// In files of at most most_bytes of data each (0: in one); read_weights finds either (io/weights/shards.h).
void write_weights(const std::filesystem::path& path, const Network& network,
                   const std::map<std::string, std::string>& metadata, std::size_t most_bytes = 0);
void read_weights(const std::filesystem::path& path, Network& network);

}  // namespace duet
