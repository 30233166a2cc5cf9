// A smooth random displacement of each voxel of a patch: normal draws on a coarse grid, cubic B-splines
// between them. Called by the warp.
#pragma once

#include <array>
#include <vector>

#include "engine/core/philox.h"
#include "engine/core/shape.h"

namespace duet {

constexpr Index kFieldCell = 16;  // voxels between nodes; a Gaussian blur of 9 voxels looks alike

// Voxel i of an axis sees the nodes i / kFieldCell ... + 3, of which the second stands at or before it. A
// lone slice (patch D = 1) has one node along D and no displacement across it.
struct DisplacementField {
  Triple nodes{};
  std::vector<float> values;  // (nodes, 3): coefficients along D, H, W in voxels; empty: no displacement
};

// `deviation`: standard deviation along each axis, in voxels.
DisplacementField draw_field(double deviation, const PhiloxKey& key, std::uint32_t sample,
                             const Triple& patch);

// Displacements row by row: nodes are summed along D once a plane, along H once a row. The field outlives it.
class FieldRows {
 public:
  explicit FieldRows(const DisplacementField& field);

  void to_plane(Index d);
  void to_row(Index h);  // of that plane
  // Adds the displacements of voxels 0 ... width - 1 of that row to to[axis].
  void add(Index width, const std::array<float*, 3>& to) const;

 private:
  void blend(const std::vector<float>& from, Index i, std::vector<float>& to) const;

  const DisplacementField& field_;
  bool lone_slice_;
  std::vector<float> plane_, row_;  // (H nodes, W nodes, 3), (W nodes, 3)
  float weights_[4][kFieldCell];    // of the four nodes, at each place in a cell
};

}  // namespace duet
