// What is asked of a ConvCall on both sides of the driver: which tensor is which, and whether the library is
// to be believed.
#pragma once

#include <cstdint>

#include "engine/backend/cuda/driver.h"

namespace duet::cuda {

inline const Shape& first_shape(const ConvCall& c) { return c.pass == ConvPass::data ? c.y : c.x; }
inline const Shape& second_shape(const ConvCall& c) { return c.pass == ConvPass::weights ? c.y : c.w; }
inline const Shape& result_shape(const ConvCall& c) {
  return c.pass == ConvPass::forward ? c.y : c.pass == ConvPass::data ? c.x : c.w;
}
inline DType second_type(const ConvCall& c) {
  return c.pass == ConvPass::weights ? c.activations : c.weights;
}
inline DType result_type(const ConvCall& c) {
  return c.pass == ConvPass::weights ? c.weights : c.activations;
}

// Bytes that a pointer is surely aligned to, at most 16; an empty one counts as 16.
inline std::int64_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer) | 16;
  return static_cast<std::int64_t>(address & (~address + 1));
}

// Whether D plays no part: then the pass is one in 2D, for which cuDNN has more engines.
inline bool is_flat(const ConvCall& c) {
  return c.x.d == 1 && c.w.d == 1 && c.y.d == 1 && c.spec.padding[0] == 0;
}

// cuDNN 9.8 to 9.15 computed some 3D convolutions in bf16 and TF32 wrongly (pytorch/pytorch issue 163539).
// `version` as cudnnGetVersion has it.
inline bool may_err(std::size_t version, const ConvCall& c, bool tf32) {
  const bool rounds = c.activations == DType::bf16 || (c.activations == DType::f32 && tf32);
  return rounds && !is_flat(c) && version >= 90800 && version < 91600;
}

}  // namespace duet::cuda
