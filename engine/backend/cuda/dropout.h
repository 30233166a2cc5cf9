// Dropout, a part of the room's PointwiseKernels (pointwise.cu). Masks are made again from Philox, never
// stored.
#pragma once

#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

void drop(const Room& room, const DropoutSpec& spec, ConstView x, View y, Accum accum);
void make_dropout_factors(const Room& room, const DropoutSpec& spec, View factors);

}  // namespace duet::cuda
