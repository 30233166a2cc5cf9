// The bias of a convolution: b, db (1,1,1,1,C) of y's master type. Called by convolution.cpp, wide.cu.
#pragma once

#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

// y += b.
void add_bias(const Room&, ConstView b, View y);
// db = or += sum over rows of dy. Throws EngineError where shapes or types do not fit.
void sum_bias(const Room&, ConstView dy, View db, Accum);

}  // namespace duet::cuda
