// Compares a backend's convolutions with the reference, for each shape that a model runs: libraries have
// computed some 3D convolutions wrongly. Called by `duet selftest`.
#pragma once

#include <string>
#include <vector>

#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

struct ConvolutionCheck {
  std::string kind;  // "conv", "conv_transpose", "pointwise"
  Shape x, w;
  std::string implementation;                 // as the library names it
  double forward = 0, data = 0, weights = 0;  // greatest difference over the reference's greatest value
  bool passed = false;
};

// Every distinct convolution of the network on a batch of one patch; tolerance 1e-4 in f32.
std::vector<ConvolutionCheck> check_convolutions(Backend& backend, Backend& reference,
                                                 const NetworkConfig& model, const Triple& patch);

}  // namespace duet
