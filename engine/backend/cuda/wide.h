// The 1x1x1 convolution with more outputs as a product of matrices. Factors of channel dropout go into the
// weights, which each sample then has of its own. An f32 dy beside bf16 x and dx is rounded to bf16 first:
// the product then reads half the bytes, runs on tensor cores and writes or adds onto bf16 itself; the
// weights that dy meets are rounded the same way, and so is every other gradient of a bf16 network. Called by
// convolution.cpp, which checks shapes and types; types and shapes as in thin.h.
#pragma once

#include "engine/backend/cuda/packed.h"

namespace duet::cuda {

void wide_forward(const Room&, PackedWeights&, ConstView x, ConstView scale, ConstView w, ConstView b,
                  View y);
void wide_data(const Room&, PackedWeights&, ConstView dy, ConstView scale, ConstView w, View dx, Accum);
void wide_weights(const Room&, ConstView x, ConstView scale, ConstView dy, View dw, Accum);

}  // namespace duet::cuda
