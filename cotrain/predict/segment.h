// A segmentation of a volume, taken from the slabs of sliding_window.h as they are finished: a byte a voxel
// for each labelling, and probabilities of the whole volume only where they are asked for. Called by
// validation and `duet predict`.
#pragma once

#include "cotrain/predict/sliding_window.h"
#include "io/dataset/preprocess.h"

namespace duet {

// All on the grid inside the padding, frame.extent.
struct Segmentation {
  std::vector<std::uint8_t> labels;                 // (D, H, W), of the mean of all networks
  std::vector<std::vector<std::uint8_t>> networks;  // each network's own, with config.each_network
  std::vector<float> uncertainty;                   // (D, H, W) in [0, 1]; empty without samples
  std::vector<float> probabilities;                 // (C, D, H, W), as NIfTI stores channels; when asked for
};

// image: (D, H, W) of frame.size.
Segmentation segment_volume(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                            const std::vector<float>& image, const PadFrame& frame,
                            const WindowConfig& config, bool probabilities = false);

// Index of the greatest of `classes` channels of each voxel, the first of equals.
std::vector<std::uint8_t> argmax_classes(const std::vector<float>& probabilities, Index classes);

}  // namespace duet
