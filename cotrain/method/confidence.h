// The floor under a target's confidence (after the threshold of FixMatch, Sohn et al., NeurIPS 2020). Called
// by udct and cps.
#pragma once

#include "engine/kernels/backend.h"

namespace duet {

// The weights (N,D,H,W,1) where the greatest of a voxel's probabilities (N,D,H,W,C) is at least `floor`, 0
// elsewhere. A new tensor.
Tensor confident(Backend& backend, double floor, const Tensor& probabilities, const Tensor& weights);

}  // namespace duet
