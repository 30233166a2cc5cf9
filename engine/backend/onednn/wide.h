// The 1x1x1 convolution with many outputs and what oneDNN's convolution lacks: factors of channel dropout and
// outputs of another type. The factors go into the weights, which each sample then has of its own; bf16
// beside f32 is widened, a sample at a time. Called by convolution.cpp. Types and shapes as in thin.h.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn {

// conv: its conv3d_* do the work. scratch: memory of one sample where types differ.
void wide_forward(ConvolutionKernels& conv, const std::shared_ptr<Allocator>& memory, ConstView x,
                  ConstView scale, ConstView w, ConstView b, View y);
void wide_backward_data(ConvolutionKernels& conv, const std::shared_ptr<Allocator>& memory, ConstView dy,
                        ConstView scale, ConstView w, View dx, Accum);
void wide_backward_weights(ConvolutionKernels& conv, const std::shared_ptr<Allocator>& memory, ConstView x,
                           ConstView scale, ConstView dy, View dw, Accum);

}  // namespace duet::onednn
