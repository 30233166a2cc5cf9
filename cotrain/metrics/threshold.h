// How far brightness alone goes: the best Dice that any threshold of the intensities reaches for a class.
// Called by the check that a phantom is not solved by thresholding. The search sees the reference, so this is
// an upper bound.
#pragma once

#include <cstdint>
#include <span>

namespace duet {

// The voxels with low <= intensity <= high (an end may be infinite) and their Dice.
struct ThresholdDice {
  double dice = 0;
  double low = 0, high = 0;
};

// Best over all single thresholds: intensity >= t or intensity <= t. Exact. Throws EngineError where the
// arrays differ in length; dice is 0 where the class has no voxel.
ThresholdDice best_threshold_dice(std::span<const float> image, std::span<const std::uint8_t> reference,
                                  std::uint8_t class_index);

// Best over intervals whose ends are among `steps` + 1 quantiles of the image (stronger than one threshold,
// up to the quantisation).
ThresholdDice best_interval_dice(std::span<const float> image, std::span<const std::uint8_t> reference,
                                 std::uint8_t class_index, int steps = 256);

}  // namespace duet
