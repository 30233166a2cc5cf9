// The products of Winograd's filtering as matrix products whose sums stay in registers. Used by winograd.cpp
// and winograd_weights.cpp.
#pragma once

#include "engine/backend/onednn/winograd_tiles.h"

namespace duet::onednn::winograd {

constexpr Index kRows = 12;  // of a block: a matrix product's sums fill the registers

// Floats from one tile's products to the next one's, `channels` of each point: an odd number of cache lines,
// so that tiles do not meet in a set of the cache.
constexpr Index tile_stride(Index channels) { return kPoints * channels + 16; }

// Transformed inputs of one point, a row a tile. The rows of kernel plane k of an output begin k * `plane`
// rows further on.
struct Rows {
  const float* data;
  Index channels, plane, planes;
};

// to[r][0..kVectors * |V|) = sum over planes k and channels c of rows[r + k plane][c] * weights[k][c][...],
// for r in [0, kCount). kChannels: rows.channels where it is known, or 0.
template <class V, Index kCount, Index kVectors, Index kChannels>
void multiply_rows(const Rows& rows, const float* weights, float* to, Index to_stride) {
  constexpr Index kLanes = kLanesOf<V>;
  const Index channels = kChannels > 0 ? kChannels : rows.channels, stride = tile_stride(channels);
  V sums[kCount][kVectors] = {};
  for (Index k = 0; k < rows.planes; ++k) {
    const float* at = rows.data + k * rows.plane * stride;
    for (Index c = 0; c < channels; ++c, ++at, weights += kVectors * kLanes) {
      V w[kVectors];
#pragma GCC unroll 4
      for (Index v = 0; v < kVectors; ++v) w[v] = load_as<V>(weights + v * kLanes);
#pragma GCC unroll 12
      for (Index r = 0; r < kCount; ++r) {
        const float factor = at[r * stride];
#pragma GCC unroll 4
        for (Index v = 0; v < kVectors; ++v) sums[r][v] += factor * w[v];
      }
    }
  }
#pragma GCC unroll 12
  for (Index r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (Index v = 0; v < kVectors; ++v) store(to + r * to_stride + v * kLanes, sums[r][v]);
  }
}

// Panels of output channels: weights of one point are [panel][plane][channel][width].
constexpr Index panel_width(Index outputs) { return outputs % 16 == 0 ? 16 : 8; }

template <Index kChannels>
void multiply_block(const Rows& rows, Index width, const float* weights, float* to, Index to_stride) {
#ifdef __AVX512F__
  using Sixteen = Floats;
  if (width == 16) return multiply_rows<Sixteen, kRows, 1, kChannels>(rows, weights, to, to_stride);
#else
  if (width == 16) {
    multiply_rows<Eight, kRows / 2, 2, kChannels>(rows, weights, to, to_stride);
    const Rows later{rows.data + kRows / 2 * tile_stride(rows.channels), rows.channels, rows.plane,
                     rows.planes};
    return multiply_rows<Eight, kRows / 2, 2, kChannels>(later, weights, to + kRows / 2 * to_stride,
                                                         to_stride);
  }
#endif
  multiply_rows<Eight, kRows, 1, kChannels>(rows, weights, to, to_stride);
}

}  // namespace duet::onednn::winograd
