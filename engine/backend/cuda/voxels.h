// Work by voxel on the scores of C classes, (rows, C). Few classes are a constant, and then a thread takes a
// pack of voxels, so that its rows are whole accesses of 128 bits and stay in registers; otherwise it takes
// one voxel and goes over its row in memory. The code of a voxel is written once, for both.
#pragma once

#include <type_traits>

#include "engine/backend/cuda/launch.h"

namespace duet::cuda {

// Classes is std::integral_constant where there are few, else Index.
template <class Classes>
constexpr bool kFew = !std::is_same_v<Classes, Index>;

// Voxels of a thread.
template <class T, class Classes>
constexpr int kVoxels = kFew<Classes> ? kPack<T> : 1;

// Calls f(classes), a constant for 2, 3 and 4 where `vectorised` (all pointers aligned to 16 bytes).
template <class F>
void with_classes(Index classes, bool vectorised, F&& f) {
  switch (vectorised ? classes : 0) {
    case 2:
      return f(std::integral_constant<Index, 2>{});
    case 3:
      return f(std::integral_constant<Index, 3>{});
    case 4:
      return f(std::integral_constant<Index, 4>{});
    default:
      return f(classes);
  }
}

// f.at<W>(first voxel) over all voxels; W is kVoxels, and 1 for what is left over at the end.
template <class T, class Classes, class F>
void for_voxels(Driver& driver, const char* name, Index voxels, Classes, F f) {
  constexpr int W = kVoxels<T, Classes>;
  for_items(driver, name, ceil_divide(voxels, W), InPacks<W, F>{f, voxels});
}

// Values from x[first] on, in accesses of at most 128 bits.
template <int Values, class T>
DUET_HOST_DEVICE inline void load_values(const T* x, Index first, T (&values)[Values]) {
  constexpr int W = Values % kPack<T> == 0 ? kPack<T> : 1;
  for (int at = 0; at < Values; at += W) {
    const Pack<T, W> pack = load<W>(x, first + at);
    for (int i = 0; i < W; ++i) values[at + i] = pack.v[i];
  }
}

// The rows of W voxels, read.
template <class T, int W, class Classes>
struct Rows {
  static constexpr int C = static_cast<int>(Classes::value);
  T values[W * C];
  DUET_HOST_DEVICE Rows(const T* x, Index first, Classes) { load_values(x, first * C, values); }
  DUET_HOST_DEVICE const T* of(int voxel) const { return values + voxel * C; }
};
template <class T, int W>
struct Rows<T, W, Index> {
  const T* x;
  Index classes;
  DUET_HOST_DEVICE Rows(const T* all, Index first, Index count) : x(all + first * count), classes(count) {}
  DUET_HOST_DEVICE const T* of(int voxel) const { return x + voxel * classes; }
};

// Those that are written, = or +=: `put` each value once, then `finish`.
template <class T, int W, class Classes>
struct RowWriter {
  static constexpr int C = static_cast<int>(Classes::value);
  T* y;  // of the first voxel
  Accum accum;
  T values[W * C];
  DUET_HOST_DEVICE RowWriter(T* all, Index first, Classes, Accum how) : y(all + first * C), accum(how) {}
  DUET_HOST_DEVICE void put(int voxel, Index c, T value) { values[voxel * C + c] = value; }
  DUET_HOST_DEVICE void finish() const {
    for (int p = 0; p < C; ++p) {
      Pack<T, W> pack;
      for (int i = 0; i < W; ++i) pack.v[i] = values[p * W + i];
      store<W>(y, p * W, pack, accum);
    }
  }
};
template <class T, int W>
struct RowWriter<T, W, Index> {
  T* y;
  Index classes;
  Accum accum;
  DUET_HOST_DEVICE RowWriter(T* all, Index first, Index count, Accum how)
      : y(all + first * count), classes(count), accum(how) {}
  DUET_HOST_DEVICE void put(int voxel, Index c, T value) const {
    store_one(y, voxel * classes + c, value, accum);
  }
  DUET_HOST_DEVICE void finish() const {}
};

// Weights of voxels; 1 where there are none.
template <class T>
struct VoxelWeights {
  const T* w;
  template <int W>
  DUET_HOST_DEVICE Pack<T, W> at(Index first) const {
    Pack<T, W> values;
    if (w) {
      load_values(w, first, values.v);
    } else {
      for (int i = 0; i < W; ++i) values.v[i] = T(1);
    }
    return values;
  }
};

}  // namespace duet::cuda
