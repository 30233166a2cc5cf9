// What happens to an image's values before patches are cut: z-score, then zeros around it where it is smaller
// than the patch. Called by cotrain for training and inference. Plain vectors, channels last; knows no file
// and no tensor.
#pragma once

#include <vector>

#include "engine/core/shape.h"

namespace duet {

// Over all values, in double: (v - mean) / std with the population's std. A constant image becomes zeros.
// Error(data) where a value is not finite (the caller names the case).
void zscore(std::vector<float>& values);

// Where an image lies in its padded form; what is outside weighs nothing in losses and metrics.
struct PadFrame {
  Triple size{};    // padded: at least the minimum along each axis
  Triple offset{};  // of the image's first voxel
  Triple extent{};  // of the image itself
  bool padded() const { return size != extent; }
  friend bool operator==(const PadFrame&, const PadFrame&) = default;
};

// The image in the middle; of an odd remainder the larger half comes after it. Sizes of at least 1.
PadFrame pad_frame(Triple size, Triple min_size);

// values (D, H, W, channels) of frame.extent -> of frame.size, zeros around. T: float, std::uint8_t.
template <class T>
std::vector<T> pad(const std::vector<T>& values, const PadFrame& frame, Index channels = 1);

// values (D, H, W, channels) of frame.size -> of frame.extent; undoes pad.
template <class T>
std::vector<T> crop(const std::vector<T>& values, const PadFrame& frame, Index channels = 1);

}  // namespace duet
