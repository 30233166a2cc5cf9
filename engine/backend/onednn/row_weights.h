// The weight gradient of the 3-wide convolution at stride 1 in f32, by own loops over rows. Called by
// convolution.cpp where oneDNN has no kernel of its own for it (before AVX-512 it copies columns and
// multiplies matrices, at a half to a fifth of this speed), and for 8 channels. Same bytes for any number of
// threads.
#pragma once

#include <memory>

#include "engine/kernels/convolution.h"
#include "engine/memory/allocator.h"

namespace duet::onednn {

// Along W: kernel 3, padding 1, at least 8 voxels; stride 1 along all axes; Ci a multiple of 8 and Co of 4,
// at most 64 each.
bool fits_row_weights(const Conv3dSpec& spec, const Shape& x, const Shape& w);

// x (N,D,H,W,Ci), dy (N,D',H',W,Co), dw (Co,kD,kH,3,Ci), all f32.
void row_weights(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x, ConstView dy,
                 View dw, Accum accum);

}  // namespace duet::onednn
