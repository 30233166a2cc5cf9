// The 1x1x1 convolution with few outputs, such as a network's head: bound by memory, so one pass over x or dx
// each, with the factors of channel dropout and the change of type on the way. Called by convolution.cpp,
// which checks shapes and types. x, dx (N,D,H,W,Ci); y, dy of x's type, or f32 beside bf16; scale
// (N,1,1,1,Ci) or empty, w, b, dw of the master type.
#pragma once

#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

// w: (Co,1,1,1,Ci).
inline bool fits_thin(const Shape& w) { return w.n <= 8; }

void thin_forward(const Room&, ConstView x, ConstView scale, ConstView w, ConstView b, View y);
void thin_data(const Room&, ConstView dy, ConstView scale, ConstView w, View dx, Accum);
void thin_weights(const Room&, ConstView x, ConstView scale, ConstView dy, View dw, Accum);

}  // namespace duet::cuda
