// From values at run time to types at compile time, once a call, and how results are stored. Used by every
// kernel here.
#pragma once

#include <type_traits>

#include "engine/core/dtype.h"
#include "engine/core/errors.h"
#include "engine/core/shape.h"
#include "engine/kernels/accum.h"

namespace duet {

// Calls f(float{}) for f32 or f(double{}) for f64; any other type throws EngineError naming the kernel.
template <class F>
void with_type(const char* kernel, DType type, F&& f) {
  switch (type) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    default:
      throw EngineError(text(kernel, ": expected f32 or f64, found ", name_of(type)));
  }
}

// The same for kernels on activations, which may be stored as bf16; they compute in Compute<T>.
template <class F>
void with_storage(const char* kernel, DType type, F&& f) {
  if (type == DType::bf16) return f(bf16{});
  with_type(kernel, type, f);
}

// Calls f(std::true_type{}) where results are added, f(std::false_type{}) where they are written.
template <class F>
void with_accum(Accum accum, F&& f) {
  if (accum == Accum::add) {
    f(std::true_type{});
  } else {
    f(std::false_type{});
  }
}

// y = or += value; what is written over is never read.
template <bool kAdd, class T>
inline void put(T& y, Compute<T> value) {
  if constexpr (kAdd) {
    y = T(y + value);
  } else {
    y = T(value);
  }
}

// Calls f(c) with c as a constant for the few channels of class scores, so that loops over channels unroll.
template <class F>
void with_channels(Index c, F&& f) {
  switch (c) {
    case 1:
      return f(std::integral_constant<Index, 1>{});
    case 2:
      return f(std::integral_constant<Index, 2>{});
    case 3:
      return f(std::integral_constant<Index, 3>{});
    case 4:
      return f(std::integral_constant<Index, 4>{});
    default:
      return f(c);
  }
}

inline void check_same(const char* kernel, const Shape& a, const Shape& b) {
  DUET_CHECK(a == b, kernel, ": shapes ", a, " and ", b, " differ");
}

}  // namespace duet
