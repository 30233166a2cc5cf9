// The weight gradient of a network's first convolution, from one channel, in f32 by own loops: the library
// multiplies matrices with a side of 1 there, at a tenth of the speed. Called by convolution.cpp. Same bytes
// for any number of threads.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn::one_channel {

// Kernel (kD, 3, 3) at stride 1, any padding; Ci 1, Co a multiple of 8.
bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w);

// x (N,D,H,W,1), dy (N,D',H',W',Co), dw (Co,kD,3,3,1), all f32: dw = or += the gradient of y towards w.
void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum);

}  // namespace duet::onednn::one_channel
