// A patch turned, scaled and bent about its centre. Drawing what to do (a pure function of seed, step and
// place in the batch) and doing it are apart, so that each can be tested. Called by the sampler.
#pragma once

#include "cotrain/config/run_config.h"
#include "cotrain/data/displacement.h"
#include "cotrain/data/patch.h"

namespace duet {

using Matrix3 = std::array<std::array<double, 3>, 3>;

// Voxel p of a patch comes from centre + matrix (p - centre) + field(p) of the case, all in voxels (D, H, W).
struct Warp {
  Matrix3 matrix = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  DisplacementField field;

  bool identity() const;  // cut_patch does the same
};

// Rotation by `degrees` about D, then H, then W, and magnification by `factor` along each axis of the patch.
// Angles are those of millimetres, so that voxels longer one way than another shear nothing.
Matrix3 warp_matrix(const std::array<double, 3>& degrees, const std::array<double, 3>& factor,
                    const std::array<double, 3>& spacing);

// After config.rotate, scale, stretch, elastic and probability. A lone slice (patch D = 1) turns in its plane
// alone.
Warp draw_warp(const AugmentConfig& config, std::uint64_t seed, std::uint32_t step, std::uint32_t sample,
               const Triple& patch, const std::array<double, 3>& spacing);

// cut_patch of the warped case: first the warp about the centre of the patch at place.corner, then the
// mirroring. The image between voxels is trilinear (in the outer half of its first and last voxels: theirs);
// labels and `valid` are the nearest voxel's, and what comes from outside the image is 0 in all three.
void warp_patch(const LoadedCase& from, const Placement& place, const Warp& warp, const Triple& patch,
                float* image, float* valid, std::uint8_t* labels);

}  // namespace duet
