// From the type of activations to a type at compile time: f32 and bf16, computed in float. Used by the loops
// of this room; f64 goes to the reference loops.
#pragma once

#include "engine/core/bf16.h"
#include "engine/core/dtype.h"
#include "engine/core/errors.h"

namespace duet::onednn {

template <class F>
void with_float_or_bf16(const char* kernel, DType type, const F& f) {
  switch (type) {
    case DType::f32:
      return f(float{});
    case DType::bf16:
      return f(bf16{});
    default:
      throw EngineError(text(kernel, ": expected f32 or bf16, found ", name_of(type)));
  }
}

}  // namespace duet::onednn
