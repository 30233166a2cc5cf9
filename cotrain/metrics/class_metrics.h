// Overlap and surface distances of one class between a predicted and a reference segmentation.
// Called by evaluation and validation. What is not defined is nullopt, never a number: callers count it
// apart.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cotrain/metrics/distance.h"
#include "engine/core/shape.h"

namespace duet {

// P and R are the voxels of the class in prediction and reference, S_P and S_R their surfaces (voxels with
// one of six neighbours outside the class; outside the image is outside), d(a, S) the distance in mm from a
// to the nearest voxel centre of S.
//   dice = 2 |P and R| / (|P| + |R|)        jaccard = |P and R| / |P or R|
//   hd95 = 95th percentile of {d(a, S_R) : a in S_P} and {d(b, S_P) : b in S_R} pooled, linear between ranks
//   as numpy's default asd  = mean of d(a, S_R) over S_P       assd = mean of asd and of the same from
//   reference to prediction
// One of P and R empty: dice and jaccard 0, distances nullopt. Both empty: all nullopt.
struct ClassMetrics {
  std::optional<double> dice, jaccard;
  std::optional<double> hd95, asd, assd;  // mm
  Index prediction_voxels = 0;
  Index reference_voxels = 0;
  Index common_voxels = 0;
};

// prediction and reference are (D, H, W) class indices. Throws EngineError where an array does not have
// size's voxels or a spacing is not a positive number. Size-1 axes are taken to the letter: their neighbours
// lie outside the image (see surface_voxels).
ClassMetrics evaluate_class(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> reference,
                            const Triple& size, const Spacing& spacing, std::uint8_t class_index);

// The percentile in [0, 100] of at least one value: rank percent/100 * (n - 1), linear between neighbours
// (numpy's "linear").
double percentile(std::vector<double> values, double percent);

}  // namespace duet
