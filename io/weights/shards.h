// A set of arrays in one safetensors file or, where it would grow beyond a size, in several, split as the
// models of Hugging Face are: NAME-00001-of-00003.safetensors ... beside NAME.safetensors.index.json with
// {"metadata": {...}, "weight_map": {array: file}}. Called by cotrain for checkpoints and weights; `file` is
// always NAME.safetensors, whichever of the two is there.
#pragma once

#include "io/weights/safetensors.h"

namespace duet {

// Data of at most `most_bytes` a file (0: one file whatever its size); an array larger than that has a file
// of its own. Errors as of write_safetensors.
void write_shards(const std::filesystem::path& file, const SafetensorsFile& contents, std::size_t most_bytes);

// The file or, where there is none, all that its index lists. Error(data) naming the file at fault: as of
// read_safetensors, an index that is no such JSON, a shard that is not beside it, an array that is listed but
// not found, or found but not listed.
SafetensorsFile read_shards(const std::filesystem::path& file, Read what = Read::all);

// Whether the file or its index is there.
bool shards_exist(const std::filesystem::path& file);

}  // namespace duet
