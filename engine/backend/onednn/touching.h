// The transposed convolution whose windows touch and do not overlap (kernel = stride, no padding: the 2 x 2 x
// 2 step up between stages), and data gradients of its like, as matrix products over rows by own loops in
// f32: along W a window's voxels and channels lie in one piece. Called by convolution.cpp where few channels
// leave the library's products thin (measured with AVX2). Same bytes for any number of threads.
#pragma once

#include "engine/kernels/convolution.h"

namespace duet::onednn::touching {

// Of the convolution x (N,D,H,W,Ci) -> y under w (Co,kD,kH,kW,Ci): kernel = stride, windows that fill x, Ci
// and Co multiples of 8.
bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w);
// The greatest Co for which these loops are the faster ones.
inline constexpr Index kMostChannels = 32;

// dx = or += the gradient of y towards x from dy + b (Ci), which may be empty.
void data_gradient(const Conv3dSpec& spec, ConstView dy, ConstView w, ConstView b, View dx, Accum accum);

}  // namespace duet::onednn::touching
