// Values on tensor cores, which multiply in bf16 and add in f32. bf16 goes as it is; f32 is taken apart into
// three bf16 whose sum it is to the last bit (8 + 8 + 8 bits of mantissa), and a product into the six of nine
// partial products that reach f32's precision (the way of cuBLAS's BF16x9 and of Ootomo & Yokota 2022).
// Infinities become NaN on the way. Shared memory holds rows of 16 channels, two chunks of 8 a row and plane.
#pragma once

#include <cstdint>

#include "engine/backend/cuda/pack.h"
#include "engine/core/dtype.h"
#include "engine/core/errors.h"

namespace duet::cuda {

constexpr int kRowChannels = 16;  // of a row in shared memory
constexpr int kChunk = 8;         // channels of one 128-bit access in bf16

template <class T>
constexpr int kPlanes = sizeof(T) == sizeof(bf16) ? 1 : 3;

struct PlaneProduct {
  int a, b;
};
DUET_HOST_DEVICE constexpr int plane_products(int planes) { return planes == 1 ? 1 : 6; }
// The i-th partial product, small ones first.
DUET_HOST_DEVICE constexpr PlaneProduct plane_product(int planes, int i) {
  if (planes == 1) return {0, 0};
  switch (i) {
    case 0:
      return {2, 0};
    case 1:
      return {0, 2};
    case 2:
      return {1, 1};
    case 3:
      return {1, 0};
    case 4:
      return {0, 1};
    default:
      return {0, 0};
  }
}

// Where a chunk of a row lies, in units of 128 bits: eight rows that follow one another begin in different
// banks.
DUET_HOST_DEVICE constexpr int slot(int row, int chunk) { return row * 2 + (chunk ^ ((row >> 2) & 1)); }

// A chunk as shared memory holds it.
using Chunk = Pack<bf16, kChunk>;

// A float as three bf16.
struct Thirds {
  bf16 of[3];
  DUET_HOST_DEVICE explicit Thirds(float value) {
    DUET_UNROLL
    for (bf16& part : of) {
      part = bf16(value);
      value -= static_cast<float>(part);
    }
  }
};

// A chunk as planes: plane[p] has the p-th parts of 8 values.
template <int Planes>
struct PlaneChunk {
  Chunk plane[Planes];
};
DUET_HOST_DEVICE inline PlaneChunk<1> planes_of(const Chunk& values) { return {{values}}; }
DUET_HOST_DEVICE inline PlaneChunk<3> planes_of(const Pack<float, kChunk>& values) {
  PlaneChunk<3> chunk;
  DUET_UNROLL
  for (int i = 0; i < kChunk; ++i) {
    const Thirds thirds(values.v[i]);
    DUET_UNROLL
    for (int p = 0; p < 3; ++p) chunk.plane[p].v[i] = thirds.of[p];
  }
  return chunk;
}

// A chunk from memory; zeros where it is outside.
template <class T>
DUET_HOST_DEVICE inline Pack<T, kChunk> chunk_at(const T* from, bool inside) {
  Pack<T, kChunk> values;
  if constexpr (sizeof(T) == sizeof(bf16)) {
    if (inside) return *reinterpret_cast<const Pack<T, kChunk>*>(from);
    for (T& v : values.v) v.bits = 0;
  } else {
    using Half = Pack<T, kChunk / 2>;
    if (inside) {
      *reinterpret_cast<Half*>(values.v) = *reinterpret_cast<const Half*>(from);
      *reinterpret_cast<Half*>(values.v + kChunk / 2) = *reinterpret_cast<const Half*>(from + kChunk / 2);
    } else {
      for (T& v : values.v) v = T(0);
    }
  }
  return values;
}

// Calls f(T{}) for what goes through planes.
template <class F>
void with_planes(DType type, const F& f) {
  if (type == DType::bf16) return f(bf16{});
  DUET_CHECK(type == DType::f32, "conv3d: activations of ", name_of(type));
  f(float{});
}

}  // namespace duet::cuda
