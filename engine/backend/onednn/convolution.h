// The convolution kernels of the oneDNN backend. f32 runs on oneDNN, f64 (gradient checks) on the reference
// loops.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn {

// Scratch and packed weights come from `memory`; `reference` does f64.
std::unique_ptr<ConvolutionKernels> make_convolution(const std::shared_ptr<Allocator>& memory,
                                                     std::unique_ptr<ConvolutionKernels> reference);

}  // namespace duet::onednn
