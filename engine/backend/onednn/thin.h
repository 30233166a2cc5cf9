// The 1x1x1 convolution with few outputs, such as a network's head: bound by memory, so one pass over x or dx
// each, with the factors of channel dropout and the change of type on the way. Called by convolution.cpp. x,
// dx f32 or bf16 (N,D,H,W,Ci); y, dy f32 or x's type; scale (N,1,1,1,Ci) f32 or empty; w, b, dw f32. Same
// bytes for any number of threads.
#pragma once

#include <memory>

#include "engine/kernels/accum.h"
#include "engine/memory/allocator.h"
#include "engine/tensor/view.h"

namespace duet::onednn {

bool fits_thin(const Shape& x, const Shape& w);

void thin_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y);
void thin_backward_data(ConstView dy, ConstView scale, ConstView w, View dx, Accum);
void thin_backward_weights(const std::shared_ptr<Allocator>& memory, ConstView x, ConstView scale,
                           ConstView dy, View dw, Accum);

}  // namespace duet::onednn
