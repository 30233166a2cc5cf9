// A network's first convolution, from one channel, by own loops: the library multiplies matrices with a side
// of 1 there. Called by convolution.cpp where it is faster. Same bytes for any number of threads.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn::one_channel {

// Kernel (kD, 3, 3) at stride 1, any padding; Ci 1, Co a multiple of 8.
bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w);

// y = x * w + b: x (N,D,H,W,1), y (N,D',H',W',Co), both f32 or both bf16; w (Co,kD,3,3,1) and b (Co), which
// may be empty, f32.
void forward(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x, ConstView w,
             ConstView b, View y);

// dw (Co,kD,3,3,1), f32, = or += the gradient of y towards w.
void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum);

}  // namespace duet::onednn::one_channel
