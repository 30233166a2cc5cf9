// How fast the library alone does a convolution: the floor that a step is measured against. Called through
// engine/backend/table.h by `duet bench --floor`.
#pragma once

#include <optional>
#include <string>

#include "engine/kernels/convolution.h"

namespace duet {

struct AloneRequest {
  ConvPass pass = ConvPass::forward;
  Conv3dSpec spec;
  Shape x, w;         // as of ConvolutionKernels::implementation
  bool bf16 = false;  // activations and weights; else f32
  bool blocked =
      false;        // every operand as the primitive likes best; else activations NDHWC, weights as it likes
  int repeats = 3;  // after one run to warm up
};

struct AloneTime {
  double seconds = 0;  // of the fastest run; reorders left out
  std::string implementation;
};

// Empty where the library has no such primitive. A data gradient at stride 1 may be a forward convolution of
// dy with the kernel turned: the faster of both.
std::optional<AloneTime> onednn_convolution_alone(const AloneRequest& request);

}  // namespace duet
