// Runs: values that take more than one access, and rows that one thread adds up in float before they go into
// the double of sum_columns. Used by the convolutions of this room.
#pragma once

#include <algorithm>

#include "engine/backend/cuda/geometry.h"
#include "engine/backend/cuda/pack.h"

namespace duet::cuda {

// W values from x[first] on, in accesses of at most 128 bits: as load(), but where W values take more, such
// as the f32 weights of 8 bf16 channels. Aligned to 16 bytes where one access takes so many.
template <int W, class T>
DUET_HOST_DEVICE inline Pack<Compute<T>, W> load_run(const T* x, Index first) {
  constexpr int kPart = W < kPack<T> ? W : kPack<T>;
  Pack<Compute<T>, W> values;
  for (int part = 0; part < W; part += kPart) {
    const auto loaded = load<kPart>(x, first + part);
    for (int i = 0; i < kPart; ++i) values.v[part + i] = loaded.v[i];
  }
  return values;
}

// y[first ...] = values, likewise.
template <int W, class T>
DUET_HOST_DEVICE inline void store_run(T* y, Index first, const Pack<Compute<T>, W>& values) {
  constexpr int kPart = W < kPack<T> ? W : kPack<T>;
  for (int part = 0; part < W; part += kPart) {
    Pack<Compute<T>, kPart> stored;
    for (int i = 0; i < kPart; ++i) stored.v[i] = values.v[part + i];
    store<kPart>(y, first + part, stored, Accum::write);
  }
}

// Rows of a run in a sum over `rows` rows of `packs` packs: as many as leave work for every multiprocessor,
// in eights where there are so many, as their loads are on their way together.
inline Index run_length(Index rows, Index packs, Index least, Index most) {
  constexpr Index kBlocks = 512;
  const ColumnGeometry g = column_geometry(1, 1, packs, 1);  // of one row: the least rows of a chunk
  const Index wanted = rows * g.pack_blocks / g.rows_per_chunk / kBlocks;
  return std::clamp(wanted < 8 ? wanted : wanted / 8 * 8, least, most);
}

}  // namespace duet::cuda
