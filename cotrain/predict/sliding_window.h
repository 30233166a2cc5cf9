// Inference on a whole volume: overlapping windows under a Gaussian, in batches, the mean of all networks,
// and an uncertainty map from Monte Carlo passes, streamed slab by slab along D. Called by validation and
// `duet predict`. Nothing is recorded; running statistics are used. A window's masks depend on (seed,
// network, number of the window, pass) alone, and sums are made in the windows' order: the batch changes no
// result where the backend's kernels treat samples apart, nor does the fold.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cotrain/method/monte_carlo.h"
#include "cotrain/predict/windows.h"
#include "nn/network.h"

namespace duet {

struct WindowConfig {
  Triple patch{};
  double overlap = 0.5;  // of neighbouring windows along each axis, in [0, 1)
  Triple stride{};       // of windows along each axis, at most the patch; 0: from the overlap
  Index batch = 0;       // windows run at once; 0: window_batch(patch)
  Index samples = 0;     // Monte Carlo passes for each network; 0: no uncertainty map
  Index fold = 0;  // passes run as one batch, a divisor of samples; 0: window_fold(patch, batch, samples)
  UncertaintyKind kind = UncertaintyKind::predictive_entropy;
  std::uint64_t seed = 1;          // of the passes' masks
  bool bf16 = false;               // activations; probabilities and sums stay f32
  bool each_network = false;       // keep every network's own probabilities, too
  bool largest_component = false;  // of each class in each labelling (segment.h)
};

// Finished planes [first, first + count) of the volume. The memory is valid during the call only.
struct Slab {
  Index first = 0, count = 0;
  std::span<const float> mean;                   // (count, H, W, C), of all networks, dropout off
  std::vector<std::span<const float>> networks;  // each network's, when asked for
  std::span<const float> uncertainty;            // (count, H, W); empty without samples
};

struct WindowStats {
  Index windows = 0, batches = 0;
  Index planes = 0;                   // that the sums hold at once
  std::size_t accumulator_bytes = 0;  // of the sums: planes * H * W * (classes + 1 ...), whatever the depth
};

// Calls consumer for every plane of the volume once, in order. image (D, H, W) of `size`, each at least the
// patch's, z-scored.
WindowStats predict_slabs(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                          const std::vector<float>& image, const Triple& size, const WindowConfig& config,
                          const std::function<void(const Slab&)>& consumer);

struct VolumePrediction {
  std::vector<float> mean;                   // (D, H, W, C), of all networks, dropout off
  std::vector<std::vector<float>> networks;  // each network's, when asked for
  std::vector<float> uncertainty;  // (D, H, W) in [0, 1], over passes and networks; empty without samples
};

// The whole of it in memory.
VolumePrediction predict_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                                const std::vector<float>& image, const Triple& size,
                                const WindowConfig& config);

}  // namespace duet
