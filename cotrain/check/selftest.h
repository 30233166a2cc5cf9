// Compares a backend's convolutions with the reference, for each shape that a model runs: libraries have
// computed some 3D convolutions wrongly. Called by `duet selftest`.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

struct PassCheck {
  double difference = 0;       // the greatest, over the reference's greatest value
  std::string implementation;  // as the library names it
};

struct ConvolutionCheck {
  std::string kind;  // "conv", "conv_transpose", "pointwise"
  Shape x, w;
  PassCheck forward, data, weights;
  bool passed = false;
};

// Of the greatest value: what f32 sums in another order, or operands of 8 bits, may differ by.
constexpr double selftest_tolerance(bool bf16) { return bf16 ? 1e-2 : 1e-4; }

// Every distinct convolution of the networks on a batch of one patch. bf16: activations and their gradients
// in bf16 beside weights and weight gradients in f32, against the reference in f32 on the same rounded
// values.
std::vector<ConvolutionCheck> check_convolutions(Backend& backend, Backend& reference,
                                                 std::span<const NetworkConfig> models, const Triple& patch,
                                                 bool bf16);

}  // namespace duet
