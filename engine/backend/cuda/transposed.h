// The transposed convolution whose windows tile its output (kernel = stride, no padding), such as the 2x2x2
// one of stride 2: a product of matrices, as w (Ci, kD, kH, kW, Co) is a matrix (Ci, taps Co), whose rows (of
// x, by taps Co) are one pass away from y's order. In blocks of lines of x whose scratch stays below 64 MiB.
// Called by convolution.cpp, which checks shapes and types. x, y of one type; b and dw of its master type.
#pragma once

#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

bool tiles(const Conv3dSpec&);

// w in the type of x and y. b may be empty.
void tiled_forward(const Room&, ConstView x, ConstView w, ConstView b, View y, Accum);
void tiled_data(const Room&, ConstView dy, ConstView w, View dx, Accum);
void tiled_weights(const Room&, ConstView x, ConstView dy, View dw, Accum);

}  // namespace duet::cuda
