// A segmentation of a volume, taken from the slabs of sliding_window.h as they are finished: a byte a voxel
// for each labelling, and probabilities of the whole volume only where they are asked for. Called by
// validation and `duet predict`.
#pragma once

#include <optional>

#include "cotrain/predict/sliding_window.h"
#include "io/dataset/preprocess.h"
#include "io/dataset/shrink.h"

namespace duet {

// All on one grid: that inside the padding, frame.extent, or the one that the image was shrunk from.
struct Segmentation {
  std::vector<std::uint8_t> labels;                 // (D, H, W), of the mean of all networks
  std::vector<std::vector<std::uint8_t>> networks;  // each network's own, with config.each_network
  std::vector<float> uncertainty;                   // (D, H, W) in [0, 1]; empty without samples
  std::vector<float> probabilities;                 // (C, D, H, W), as NIfTI stores channels; when asked for
};

// image: (D, H, W) of frame.size. enlarge: of an image that was shrunk, its own grid, for results there:
// probabilities and uncertainty are interpolated (enlarge.h), labels are the argmax of those probabilities.
// Of the reduced probabilities two planes are kept, so that memory grows with the classes as it does without.
Segmentation segment_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                            const std::vector<float>& image, const PadFrame& frame,
                            const WindowConfig& config, bool probabilities = false,
                            const std::optional<Blocks>& enlarge = std::nullopt);

// Index of the greatest of `classes` channels of each voxel, the first of equals.
std::vector<std::uint8_t> argmax_classes(const std::vector<float>& probabilities, Index classes);

}  // namespace duet
