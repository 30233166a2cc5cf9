// Several elements in one access: 128 bits where pointers allow it. Values are computed in float (of bf16) or
// in their own type.
#pragma once

#include <cstdint>

#include "engine/core/bf16.h"
#include "engine/core/shape.h"
#include "engine/kernels/accum.h"

namespace duet::cuda {

template <class T>
constexpr int kPack = static_cast<int>(16 / sizeof(T));

template <class T, int W>
struct alignas(sizeof(T) * W) Pack {
  T v[W];
};

// Whether 128-bit accesses from this pointer on are aligned; an empty pointer is.
inline bool aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }
template <class... P>
bool aligned(const void* first, const P*... rest) {
  return aligned(first) && (aligned(static_cast<const void*>(rest)) && ...);
}

// W values from x[first] on, as they are computed with.
template <int W, class T>
DUET_HOST_DEVICE inline Pack<Compute<T>, W> load(const T* x, Index first) {
  const Pack<T, W> stored = *reinterpret_cast<const Pack<T, W>*>(x + first);
  Pack<Compute<T>, W> values;
  for (int i = 0; i < W; ++i) values.v[i] = static_cast<Compute<T>>(stored.v[i]);
  return values;
}

// y[first ...] = or += values.
template <int W, class T>
DUET_HOST_DEVICE inline void store(T* y, Index first, const Pack<Compute<T>, W>& values, Accum accum) {
  auto* to = reinterpret_cast<Pack<T, W>*>(y + first);
  Pack<T, W> stored;
  if (accum == Accum::add) {
    const Pack<T, W> old = *to;
    for (int i = 0; i < W; ++i) stored.v[i] = T(static_cast<Compute<T>>(old.v[i]) + values.v[i]);
  } else {
    for (int i = 0; i < W; ++i) stored.v[i] = T(values.v[i]);
  }
  *to = stored;
}

template <class T>
DUET_HOST_DEVICE inline void store_one(T* y, Index at, Compute<T> value, Accum accum) {
  y[at] = T(accum == Accum::add ? static_cast<Compute<T>>(y[at]) + value : value);
}

}  // namespace duet::cuda
