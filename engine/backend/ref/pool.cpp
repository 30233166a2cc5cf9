// Max and average pooling. Backward gathers: each row of dx collects from the windows that read it, in a
// fixed order, so overlapping windows give the same sums for any number of threads.
#include <algorithm>

#include "engine/backend/ref/dispatch.h"
#include "engine/backend/ref/region_parts.h"
#include "engine/backend/ref/window.h"
#include "engine/core/parallel.h"

namespace duet::ref {
namespace {

constexpr Index kGrain = Index{1} << 13;  // elements of a chunk

// Calls body(row) over the rows of a shape in parallel.
template <class Body>
void for_rows(const Shape& shape, const Body& body) {
  parallel_chunks(shape.rows(), std::max<Index>(1, kGrain / shape.c), [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) body(row);
  });
}

void check_pool(const PoolSpec& spec, const Shape& x, const Shape& y) {
  const Shape expected = pool_output_shape(spec, x);
  DUET_CHECK(y == expected, "pool: output ", y, " of input ", x, " should be ", expected);
}

double window_size(const PoolSpec& spec) {
  return static_cast<double>(spec.kernel[0] * spec.kernel[1] * spec.kernel[2]);
}

// A NaN wins over numbers, as it would otherwise be lost here.
template <class T>
bool beats(T candidate, T best) {
  return (candidate > best) | ((candidate != candidate) & (best == best));
}

template <class T>
void maxima(const PoolSpec& spec, ConstView x, View y, View where) {
  const T* in = x.as<T>();
  T* out = y.as<T>();
  std::int32_t* position = where.as<std::int32_t>();
  const Index channels = x.shape.c;
  for_rows(y.shape, [&](Index row) {
    T* best = out + row * channels;
    std::int32_t* at = position + row * channels;
    bool first = true;  // padding is below kernel, so every window holds a position of x
    for_taps(spec, x.shape, voxel_of(y.shape, row), [&](Index tap, Index from) {
      const T* value = in + from * channels;
      const auto k = static_cast<std::int32_t>(tap);
      if (first) {
        std::copy_n(value, channels, best);
        std::fill_n(at, channels, k);
        first = false;
        return;
      }
#pragma omp simd
      for (Index c = 0; c < channels; ++c) {
        const bool better = beats(value[c], best[c]);
        best[c] = better ? value[c] : best[c];
        at[c] = better ? k : at[c];
      }
    });
  });
}

// dx[i] = sum of dy[o] over the windows o whose maximum is at i.
template <class T>
void maxima_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) {
  const T* in = dy.as<T>();
  const std::int32_t* position = where.as<std::int32_t>();
  T* out = dx.as<T>();
  const Index channels = dx.shape.c;
  for_rows(dx.shape, [&](Index row) {
    T* to = out + row * channels;
    if (accum == Accum::write) std::fill_n(to, channels, T(0));
    for_windows(spec, dy.shape, voxel_of(dx.shape, row), [&](Index tap, Index from) {
      const T* gradient = in + from * channels;
      const std::int32_t* at = position + from * channels;
      const auto k = static_cast<std::int32_t>(tap);
#pragma omp simd
      for (Index c = 0; c < channels; ++c) to[c] += at[c] == k ? gradient[c] : T(0);
    });
  });
}

// y[o] = sum of x over the window, divided by the whole window's size: padding counts as zeros.
template <class T>
void averages(const PoolSpec& spec, ConstView x, View y) {
  const T* in = x.as<T>();
  T* out = y.as<T>();
  const Index channels = x.shape.c;
  const T share = static_cast<T>(1.0 / window_size(spec));
  for_rows(y.shape, [&](Index row) {
    T* to = out + row * channels;
    std::fill_n(to, channels, T(0));
    for_taps(spec, x.shape, voxel_of(y.shape, row), [&](Index, Index from) {
      const T* value = in + from * channels;
#pragma omp simd
      for (Index c = 0; c < channels; ++c) to[c] += value[c];
    });
    for (Index c = 0; c < channels; ++c) to[c] *= share;
  });
}

// dx[i] = sum over the windows o that read i of dy[o] / window size.
template <class T>
void averages_backward(const PoolSpec& spec, ConstView dy, View dx, Accum accum) {
  const T* in = dy.as<T>();
  T* out = dx.as<T>();
  const Index channels = dx.shape.c;
  const T share = static_cast<T>(1.0 / window_size(spec));
  for_rows(dx.shape, [&](Index row) {
    T* to = out + row * channels;
    if (accum == Accum::write) std::fill_n(to, channels, T(0));
    for_windows(spec, dy.shape, voxel_of(dx.shape, row), [&](Index, Index from) {
      const T* gradient = in + from * channels;
#pragma omp simd
      for (Index c = 0; c < channels; ++c) to[c] += share * gradient[c];
    });
  });
}

}  // namespace

void max_pool_forward(const PoolSpec& spec, ConstView x, View y, View where) {
  check_pool(spec, x.shape, y.shape);
  DUET_CHECK(where.shape == y.shape, "max_pool: positions ", where.shape, " of output ", y.shape);
  with_type("max_pool", x.dtype, [&](auto type) { maxima<decltype(type)>(spec, x, y, where); });
}

void max_pool_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) {
  check_pool(spec, dx.shape, dy.shape);
  DUET_CHECK(where.shape == dy.shape, "max_pool: positions ", where.shape, " of gradient ", dy.shape);
  with_type("max_pool", dy.dtype,
            [&](auto type) { maxima_backward<decltype(type)>(spec, dy, where, dx, accum); });
}

void average_pool_forward(const PoolSpec& spec, ConstView x, View y) {
  check_pool(spec, x.shape, y.shape);
  with_type("average_pool", x.dtype, [&](auto type) { averages<decltype(type)>(spec, x, y); });
}

void average_pool_backward(const PoolSpec& spec, ConstView dy, View dx, Accum accum) {
  check_pool(spec, dx.shape, dy.shape);
  with_type("average_pool", dy.dtype,
            [&](auto type) { averages_backward<decltype(type)>(spec, dy, dx, accum); });
}

}  // namespace duet::ref
