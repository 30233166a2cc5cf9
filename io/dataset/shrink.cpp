#include "io/dataset/shrink.h"

#include <algorithm>
#include <array>

#include "engine/core/errors.h"

namespace duet {
namespace {

// Calls block(place, voxels) for each block in order: where it stands among the blocks, and a function that
// calls its argument with the index of each of the block's voxels.
template <class Block>
void each_block(const Blocks& blocks, std::size_t values, const Block& block) {
  const Triple &size = blocks.size, &by = blocks.block;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    DUET_CHECK(size[axis] >= 1 && by[axis] >= 1, "shrink: size ", size[axis], " by ", by[axis],
               " along axis ", axis);
  }
  DUET_CHECK(static_cast<Index>(values) == size[0] * size[1] * size[2], "shrink: ", values, " values for (",
             size[0], ',', size[1], ',', size[2], ')');
  for (Index d = 0; d < size[0]; d += by[0]) {
    for (Index h = 0; h < size[1]; h += by[1]) {
      for (Index w = 0; w < size[2]; w += by[2]) {
        const Index d_end = std::min(d + by[0], size[0]), h_end = std::min(h + by[1], size[1]),
                    w_end = std::min(w + by[2], size[2]);
        block(Triple{d / by[0], h / by[1], w / by[2]}, [&](const auto& voxel) {
          for (Index i = d; i < d_end; ++i) {
            for (Index j = h; j < h_end; ++j) {
              const Index row = (i * size[1] + j) * size[2];
              for (Index v = row + w; v < row + w_end; ++v) voxel(static_cast<std::size_t>(v));
            }
          }
        });
      }
    }
  }
}

std::size_t voxels(const Triple& size) { return static_cast<std::size_t>(size[0] * size[1] * size[2]); }

}  // namespace

Triple Blocks::count() const {
  Triple count{};
  for (std::size_t axis = 0; axis < 3; ++axis) count[axis] = (size[axis] + block[axis] - 1) / block[axis];
  return count;
}

std::vector<float> block_means(const std::vector<float>& values, const Blocks& blocks) {
  std::vector<float> means;
  each_block(blocks, values.size(), [&](const Triple&, const auto& each_voxel) {
    double sum = 0, count = 0;
    each_voxel([&](std::size_t v) {
      sum += values[v];
      ++count;
    });
    if (means.empty()) means.reserve(voxels(blocks.count()));  // the sizes are checked by now
    means.push_back(static_cast<float>(sum / count));
  });
  return means;
}

std::vector<std::uint8_t> block_majorities(const std::vector<std::uint8_t>& labels, const Blocks& blocks) {
  std::vector<std::uint8_t> majorities;
  std::array<Index, 256> count{};  // all 0 between blocks
  each_block(blocks, labels.size(), [&](const Triple& place, const auto& each_voxel) {
    Index most = 0;
    each_voxel([&](std::size_t v) { most = std::max(most, ++count[labels[v]]); });
    std::uint8_t least = 255, greatest = 0;  // of the classes that have the most voxels
    each_voxel([&](std::size_t v) {
      if (count[labels[v]] < most) return;
      least = std::min(least, labels[v]);
      greatest = std::max(greatest, labels[v]);
    });
    each_voxel([&](std::size_t v) { count[labels[v]] = 0; });
    if (majorities.empty()) majorities.reserve(voxels(blocks.count()));
    majorities.push_back((place[0] + place[1] + place[2]) % 2 == 0 ? least : greatest);
  });
  return majorities;
}

}  // namespace duet
