// Convolutions 3x3x3 of stride 1 and padding 1 on tensor cores (planes.h), for few channels at many voxels,
// where cuDNN's engines reach a tenth of what these do: a block keeps a tile of the input with its halo of
// one voxel in shared memory and goes over the 27 taps from there. Sums in a fixed order. Called by
// convolution.cpp, which checks shapes and types.
#pragma once

#include "engine/backend/cuda/direct.h"

namespace duet::cuda {

// Channels in multiples of 16, f32 or bf16, pointers aligned to 16 bytes.
bool fits_halo(const Problem&, DType activations);
// Shared memory that a block of the weights' gradient takes, and one of the other two.
std::size_t halo_weights_shared_bytes(DType activations);
std::size_t halo_shared_bytes(DType activations);

// y = or += x * w + b; w, b f32, b may be empty.
void halo_forward(const Room&, const Problem&, ConstView x, ConstView w, ConstView b, View y, Accum);
// dx = or += the gradient of y.
void halo_data(const Room&, const Problem&, ConstView dy, ConstView w, View dx, Accum);
// dw = or += the gradient, summed over samples.
void halo_weights(const Room&, const Problem&, ConstView x, ConstView dy, View dw, Accum);

}  // namespace duet::cuda
