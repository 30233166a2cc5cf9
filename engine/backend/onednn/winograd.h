// The 3-wide convolution at stride 1 by Winograd's filtering (winograd_tiles.h) in own loops: a third of the
// products of direct sums, in f32. Called by convolution.cpp
// where it is faster than the library. Same bytes for any number of threads.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn::winograd {

// Kernel (kD, 3, 3), padding (any, 1, 1), stride 1; Ci and Co multiples of 8; tiles of 2 x 4 that waste
// little of H and W, and enough of them; weights that stay in a cache.
bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w);

// Whether the gradient of weights is faster so, too: with 8 channels its transforms cost as much as it saves.
bool fits_gradient(const Conv3dSpec& spec, const Shape& x, const Shape& w);

// Elements of the transformed weights, f32.
Index transformed_size(const Shape& w);
// w (Co,kD,3,3,Ci) as [point][panel of Co][kD][Ci][Co of the panel].
void transform_weights(ConstView w, float* to);
// The same of w with each kernel axis reversed and its channels swapped, (Ci,kD,3,3,Co): for data gradients.
void transform_flipped(ConstView w, float* to);

// y = or += x * w + b: x (N,D,H,W,Ci), y (N,D',H,W,Co), weights transformed, b may be empty.
void forward(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
             const float* weights, ConstView b, View y, Accum accum);

// dw (Co,kD,3,3,Ci), f32, = or += the gradient of y towards w.
void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum);

}  // namespace duet::onednn::winograd
