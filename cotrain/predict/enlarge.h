// From the grid of a reduced image back onto the image's own, plane by plane as sliding_window.h hands them
// out: every voxel lies between the centres of the blocks around it and takes their values trilinearly;
// beyond the outermost centres it takes the outermost block's. The last two reduced planes are held, whatever
// the depth. Called by segment.cpp.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "io/dataset/shrink.h"

namespace duet {

// A place along one axis: between centres `low` and `high`, `weight` of the way.
struct Between {
  Index low = 0, high = 0;
  float weight = 0;
};

// Where each of `size` voxels lies between the centres of blocks of `block` voxels. Centres are evenly
// spaced: that of a block which is cut off at the border stands where a whole one's would.
std::vector<Between> between_blocks(Index size, Index block);

struct Enlarger {
  Blocks blocks;
  Index channels = 1;
  std::array<std::vector<Between>, 3> places;  // along D, H, W of blocks.size
  std::vector<float> before, last;             // reduced planes (H', W', channels)
  Index taken = 0;                             // reduced planes so far
  Index done = 0;                              // planes of blocks.size so far

  Enlarger(const Blocks& grid, Index channel_count);
};

// Gets a row of W voxels with their channels, and the index of its first voxel in blocks.size.
using RowSink = std::function<void(const float* values, Index first)>;

// Takes the next reduced plane, whose rows begin `row_step` values apart, and calls row for each row that can
// be made now, on all threads.
void add_plane(Enlarger& enlarger, const float* plane, Index row_step, const RowSink& row);

}  // namespace duet
