// Inference on a whole volume: overlapping windows under a Gaussian, the mean of all networks, and an
// uncertainty map from Monte Carlo passes. Called by validation and `duet predict`. Nothing is recorded;
// running statistics are used.
#pragma once

#include <memory>
#include <vector>

#include "cotrain/method/monte_carlo.h"
#include "nn/network.h"

namespace duet {

struct WindowConfig {
  Triple patch{};
  double overlap = 0.5;  // of neighbouring windows along each axis, in [0, 1)
  Index samples = 0;     // Monte Carlo passes for each network; 0: no uncertainty map
  UncertaintyKind kind = UncertaintyKind::predictive_entropy;
  std::uint64_t seed = 1;     // of the passes' masks
  bool each_network = false;  // keep every network's own probabilities, too
};

struct VolumePrediction {
  std::vector<float> mean;                   // (D, H, W, C), of all networks, dropout off
  std::vector<std::vector<float>> networks;  // each network's, when asked for
  std::vector<float> uncertainty;  // (D, H, W) in [0, 1], over passes and networks; empty without samples
};

// Corners of windows along one axis: 0, then steps of ceil(patch (1 - overlap)), the last one at the end.
std::vector<Index> window_corners(Index size, Index patch, double overlap);

// Weight of each voxel of a window: a Gaussian of sigma = size / 8 along each axis, at least 1e-3 of its top
// (after nnU-Net).
std::vector<float> window_weights(const Triple& patch);

// image (D, H, W) of `size`, each at least the patch's, z-scored.
VolumePrediction predict_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                                const std::vector<float>& image, const Triple& size,
                                const WindowConfig& config);

// Index of the greatest of `classes` channels of each voxel, the first of equals.
std::vector<std::uint8_t> argmax_classes(const std::vector<float>& probabilities, Index classes);

}  // namespace duet
