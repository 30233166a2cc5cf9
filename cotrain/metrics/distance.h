// Masks of one class and exact distances between them: the surface, the box around it, the Euclidean distance
// transform. Called by class_metrics.cpp and by tests. Arrays are dense, W fastest; spacing is (D, H, W) in
// millimetres.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

using Spacing = std::array<double, 3>;  // mm along D, H, W

inline constexpr double kFar = std::numeric_limits<double>::infinity();

// A block of voxels: begin inclusive, end exclusive; empty when end <= begin along an axis.
struct Box {
  Triple begin = {0, 0, 0};
  Triple end = {0, 0, 0};
  Triple size() const { return {end[0] - begin[0], end[1] - begin[1], end[2] - begin[2]}; }
  bool empty() const { return end[0] <= begin[0] || end[1] <= begin[1] || end[2] <= begin[2]; }
};

// The smallest box that holds every voxel where either array (D, H, W) has the value; empty when there is
// none.
Box bounding_box(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, const Triple& size,
                 std::uint8_t value);

// 1 where labels (D, H, W) have the value, 0 elsewhere, of the voxels inside the box.
std::vector<std::uint8_t> crop_mask(std::span<const std::uint8_t> labels, const Triple& size, const Box& box,
                                    std::uint8_t value);

// Positions (offsets into the mask, ascending) of the mask's surface: voxels that are set and have one of six
// neighbours that is not; outside the array is not set. Along an axis of size 1 both neighbours are outside,
// so in a 2D image (D = 1) every voxel of the mask is on the surface, to the letter of the definition.
std::vector<Index> surface_voxels(std::span<const std::uint8_t> mask, const Triple& size);

// Squared distance in mm^2 of every voxel centre to the nearest seed's; kFar everywhere when there are no
// seeds. Exact, anisotropic, linear in the number of voxels: Felzenszwalb and Huttenlocher, "Distance
// Transforms of Sampled Functions", Theory of Computing 8 (2012).
std::vector<double> squared_distances(std::span<const Index> seeds, const Triple& size,
                                      const Spacing& spacing);

}  // namespace duet
