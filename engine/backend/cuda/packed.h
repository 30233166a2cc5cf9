// bf16 copies of f32 weights, kept while their tensor does not change: made once an optimiser step, not once
// a convolution. Called by convolution.cpp. An entry belongs to a weight's address and size; a new version is
// written into the same memory. Weights of version 0 (contents not known) are copied for the one call.
#pragma once

#include <unordered_map>

#include "engine/backend/cuda/cuda.h"
#include "engine/memory/scratch.h"

namespace duet::cuda {

// y = or += x, between f32 and bf16.
void cast(const Room&, const char* name, ConstView x, View y, Accum);

// Valid until the next call of PackedWeights::get, for work queued before it.
struct Packed {
  ConstView weights;
  Scratch own;  // of weights that are not cached
};

class PackedWeights {
 public:
  // w in `type`: f32 or f64 weights themselves, or the bf16 copy of f32 ones. Throws EngineError where w is
  // not of the type's master type.
  Packed get(const Room&, const ConstView& w, DType type);
  void clear();

 private:
  struct Entry {
    Scratch block;
    Index elements = 0;
    std::uint64_t version = 0, last_use = 0;
  };
  void make_room(std::size_t bytes);
  Entry& entry_of(const Room&, const ConstView& w);

  std::unordered_multimap<const void*, Entry> entries_;  // by address of the f32 weights
  std::size_t bytes_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace duet::cuda
