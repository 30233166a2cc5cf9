// Both gradients of the convolution at stride 1 in the deep stages, with few voxels and many channels, by own
// loops in f32: sums over the kernel's voxels as offsets into a padded copy, so that weights are read once
// and are neither flipped nor packed beforehand. Called by convolution.cpp before AVX-512, where oneDNN
// copies columns, or flips the weights that each step changes, and with it for the fewest voxels. Same bytes
// for any number of threads.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn::deep {

// Stride 1, padding below the kernel, at most 27 taps; Ci and Co multiples of 16; at most 2048 voxels of x.
bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w);

// Of the convolution x (N,D,H,W,Ci) -> y (N,D',H',W',Co) under w (Co,kD,kH,kW,Ci).
// dx = or += the gradient of y towards x.
void data_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView dy,
                   ConstView w, View dx, Accum accum);

// dw = or += the gradient of y towards w.
void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum);

}  // namespace duet::onednn::deep
