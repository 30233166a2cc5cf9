// Each entry of the kernel contract as a call on small operands, by name. Used by contract_test.cpp.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {

inline const Shape kX{2, 4, 4, 4, 6}, kHalf{2, 2, 2, 2, 6}, kScores{2, 4, 4, 4, 3}, kOne{2, 4, 4, 4, 1};
inline const Shape kVector = Shape::vector(6), kScalar = Shape::scalar(), kSamples{2, 1, 1, 1, 6};
inline const Conv3dSpec kSame{}, kHalving{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}};
inline const Shape kWeights{6, 3, 3, 3, 6}, kUp{6, 2, 2, 2, 6}, kPoint{6, 1, 1, 1, 6};

using Call = std::function<void(Backend&, HostDriver&)>;
using Entries = std::map<std::string, Call>;

// Makes the operands, clears the driver's notes, runs the kernel.
template <class Kernel>
Call entry(std::vector<std::pair<Shape, DType>> operands, const Kernel& kernel) {
  return [operands, kernel](Backend& b, HostDriver& driver) {
    std::vector<Tensor> made;
    for (const auto& [shape, type] : operands) made.push_back(b.filled(shape, type, 1.0));
    driver.calls = {};
    kernel(b, made);
  };
}

using Tensors = std::vector<Tensor>;
constexpr DType f = DType::f32, u8 = DType::u8;

Entries convolution_entries();
Entries norm_entries();
Entries pointwise_entries();
Entries region_entries();
Entries loss_entries();
Entries other_entries();  // optimisers and sampling

}  // namespace duet::testing
