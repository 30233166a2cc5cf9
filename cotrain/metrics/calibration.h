// How far probabilities can be believed, and how well an uncertainty map finds errors. Plain arrays. Called
// by studies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

// Voxels whose confidence (the greatest probability) falls in one of the equal parts of [0, 1]; 1 is in the
// last.
struct CalibrationBin {
  Index voxels = 0;
  double confidence = 0;  // sum over the voxels
  Index correct = 0;      // voxels whose greatest probability is the reference's class
};

// The reliability diagram, a bin at a time (Guo et al., "On Calibration of Modern Neural Networks", ICML
// 2017).
struct Calibration {
  std::vector<CalibrationBin> bins = std::vector<CalibrationBin>(15);
};

// probabilities: (C, voxels), as Segmentation has them; reference: class indices. Throws EngineError where
// the lengths do not agree.
void add_voxels(Calibration& calibration, std::span<const float> probabilities,
                std::span<const std::uint8_t> reference);

// Expected calibration error: sum over bins of n_b / N * |accuracy_b - confidence_b|; nothing without voxels.
std::optional<double> expected_calibration_error(const Calibration& calibration);

// Area under the ROC curve of `uncertainty` as a detector of voxels where prediction and reference differ:
// the probability that a wrong voxel is more uncertain than a right one, ties counted half. Nothing where all
// voxels are right, or all wrong.
std::optional<double> error_detection_auc(std::span<const float> uncertainty,
                                          std::span<const std::uint8_t> prediction,
                                          std::span<const std::uint8_t> reference);

// Dice of class `index` over what remains when the `share` in [0, 1) most uncertain voxels are left out
// (floor(share * voxels) of them; among equals those that come first stay). Nothing where both sides are
// empty.
std::optional<double> dice_without_uncertain(std::span<const float> uncertainty,
                                             std::span<const std::uint8_t> prediction,
                                             std::span<const std::uint8_t> reference, std::uint8_t index,
                                             double share);

}  // namespace duet
