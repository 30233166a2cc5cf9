// Weights from and to PyTorch's order (the map: nn/README.md). Called by checkpoints and tests.
//   conv            ours (Co,kD,kH,kW,Ci) <-> (Co,Ci,kD,kH,kW)
//   conv_transpose  ours (Ci,kD,kH,kW,Co) <-> (Ci,Co,kD,kH,kW)
//   plain           (1,1,1,1,C) <-> (C); any other shape as it is
#pragma once

#include <span>
#include <vector>

#include "nn/network.h"

namespace duet {

// The values of tensor (f32 or f64) in PyTorch's order and, in `shape`, PyTorch's sizes; for networks of 2
// dimensions kD is left out.
std::vector<float> to_pytorch_order(const NamedTensor& tensor, std::vector<Index>& shape, int dimensions = 3);
std::vector<Index> pytorch_shape(const NamedTensor& tensor, int dimensions = 3);

// Writes values, given in PyTorch's order, into tensor. Throws Error(data) naming it where their number
// differs.
void from_pytorch_order(NamedTensor& tensor, std::span<const float> values);

}  // namespace duet
