// How volumes are cut into tiles, and tiles with their halo brought to shared memory.
#pragma once

#include "engine/backend/cuda/geometry.h"
#include "engine/backend/cuda/planes.h"

namespace duet::cuda {

constexpr int kWindow = 27;  // taps of 3x3x3

// Voxels of a tile, and of a tile with a border of `Halo` voxels.
template <int D, int H, int W, int Halo>
struct Box {
  static constexpr int kD = D + 2 * Halo, kH = H + 2 * Halo, kW = W + 2 * Halo;
  static constexpr int kRows = kD * kH * kW;
  static constexpr int kBorder = Halo;
};

// The voxel that a tile begins at.
struct Corner {
  Index n;
  int d, h, w;
};

// The tiles of a batch of volumes.
struct TileGrid {
  int depth = 0, height = 0, width = 0;  // of a volume
  int tile_d = 1, tile_h = 1, tile_w = 1;
  Divider deep, down, across;  // tiles along D, H, W
  Index tiles = 0;

  TileGrid() = default;
  TileGrid(const Shape& s, int d, int h, int w)
      : depth(static_cast<int>(s.d)),
        height(static_cast<int>(s.h)),
        width(static_cast<int>(s.w)),
        tile_d(d),
        tile_h(h),
        tile_w(w),
        deep{ceil_divide(s.d, d)},
        down{ceil_divide(s.h, h)},
        across{ceil_divide(s.w, w)},
        tiles(s.n * deep.by * down.by * across.by) {}

  DUET_HOST_DEVICE Corner corner(Index tile) const {
    Corner at{};
    at.w = static_cast<int>(across.take(tile)) * tile_w;
    at.h = static_cast<int>(down.take(tile)) * tile_h;
    at.d = static_cast<int>(deep.take(tile)) * tile_d;
    at.n = tile;
    return at;
  }
  // The i-th voxel of a tile.
  Corner voxel_of(const Corner& at, int i) const {
    return {at.n, at.d + i / (tile_w * tile_h), at.h + i / tile_w % tile_h, at.w + i % tile_w};
  }
  DUET_HOST_DEVICE bool inside(int d, int h, int w) const {
    return d >= 0 && d < depth && h >= 0 && h < height && w >= 0 && w < width;
  }
  DUET_HOST_DEVICE Index voxel(Index n, int d, int h, int w) const {
    return ((n * depth + d) * height + h) * width + w;
  }
};

#ifdef __CUDACC__
// 16 channels from `channel` on of a box of x, (..., C), by all threads of the block: planes of rows, one row
// a voxel; zeros outside.
template <class B, class T>
__device__ inline void fill_box(Chunk* to, const T* x, int channels, int channel, const TileGrid& grid,
                                const Corner& at) {
  for (int item = threadIdx.x; item < B::kRows * 2; item += blockDim.x) {
    const int row = item >> 1, chunk = item & 1;
    const int w = at.w + row % B::kW - B::kBorder, h = at.h + row / B::kW % B::kH - B::kBorder;
    const int d = at.d + row / (B::kW * B::kH) - B::kBorder;
    const bool inside = grid.inside(d, h, w);
    const Index first = inside ? grid.voxel(at.n, d, h, w) * channels + channel + chunk * kChunk : 0;
    const auto planes = planes_of(chunk_at(x + first, inside));
    DUET_UNROLL
    for (int p = 0; p < kPlanes<T>; ++p) to[p * B::kRows * 2 + slot(row, chunk)] = planes.plane[p];
  }
}
#endif

}  // namespace duet::cuda
