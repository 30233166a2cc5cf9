// How Winograd's filtering is cut into units: a unit's transformed inputs and products stay in the second
// cache, unless a few planes of a row of tiles alone are more. Used by winograd.cpp and winograd_weights.cpp.
#pragma once

#include <algorithm>

#include "engine/backend/onednn/winograd_products.h"
#include "engine/backend/onednn/winograd_tiles.h"
#include "engine/kernels/convolution.h"

namespace duet::onednn::winograd {

inline Index tiles_of_plane(const Shape& s) {
  return (s.h + kTileH - 1) / kTileH * ((s.w + kTileW - 1) / kTileW);
}

// Of samples [n, n + samples): output planes [d, d + depth) and tile rows [h, h + height), all of W.
struct Unit {
  Index n, samples, d, depth, h, height;
};

struct Units {
  Conv3dSpec spec;
  Shape x, y;
  Index tiles_h, tiles_w;        // of a plane
  Index samples, depth, height;  // of a unit, at most

  Units(const Conv3dSpec& s, const Shape& from, const Shape& to)
      : spec(s),
        x(from),
        y(to),
        tiles_h((to.h + kTileH - 1) / kTileH),
        tiles_w((to.w + kTileW - 1) / kTileW) {
    constexpr Index kFloats = 64 * 1024, kLeastDepth = 4;  // inputs of a unit: half of the second cache
    constexpr Index kLeastUnits = 16;                      // for threads to share, but
    constexpr Index kFewRows = 4 * kRows;                  // not so few rows that blocks stay half empty
    const Index planes = spec.kernel[0];
    auto size = [&](Index planes_out, Index rows) {
      return kPoints * rows * tiles_w * (planes_out + planes - 1) * x.c;
    };
    depth = y.d;
    while (depth > kLeastDepth && size(depth, 1) > kFloats) depth = (depth + 1) / 2;
    const Index chunks = y.n * ((y.d + depth - 1) / depth);
    auto grows = [&] {
      return depth * height * tiles_w < kFewRows ||
             chunks * ((tiles_h + height) / (height + 1)) >= kLeastUnits;
    };
    height = 1;
    while (height < tiles_h && size(depth, height + 1) <= kFloats && grows()) ++height;
    // Small images: the more of them, the more often weights are used that were fetched once.
    samples = 1;
    const bool whole = depth == y.d && height == tiles_h;
    while (whole && 2 * (samples + 1) <= y.n && (samples + 1) * size(depth, height) <= kFloats) ++samples;
  }

  Index tiles(const Unit& unit) const { return unit.height * tiles_w; }  // of a plane
  // Rows of one sample of a unit at most, whole blocks.
  Index rows() const { return (depth * height * tiles_w + kRows - 1) / kRows * kRows; }
  // Floats of the inputs of one of a unit's samples, with the rows that a block reads beyond them.
  Index input_size() const {
    return ((depth + spec.kernel[0] - 1) * height * tiles_w + kRows) * tile_stride(x.c);
  }
  Index bands() const { return (tiles_h + height - 1) / height; }
  Index chunks() const { return (y.d + depth - 1) / depth; }
  Index groups() const { return (y.n + samples - 1) / samples; }
  Index count() const { return groups() * bands() * chunks(); }
  Unit unit(Index i) const {
    const Index band = i % bands(), chunk = i / bands() % chunks(), group = i / (bands() * chunks());
    return {group * samples, std::min(samples, y.n - group * samples),
            chunk * depth,   std::min(depth, y.d - chunk * depth),
            band * height,   std::min(height, tiles_h - band * height)};
  }
};

// Transformed inputs of a unit, input_size() from sample to sample: [plane][tile][point][channel] with
// tile_stride from tile to tile, from input plane unit.d - padding on. (forward() zeroes `to` once: its
// blocks of rows read beyond a unit's, and drop what comes of them.)
void gather_inputs(const Units& units, const Unit& unit, const float* x, float* to);

}  // namespace duet::onednn::winograd
