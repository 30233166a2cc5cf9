// Max and average pooling. Backward gathers: each row of dx collects from the windows that read it, in a
// fixed order, so overlapping windows give the same sums for any number of threads.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "engine/backend/ref/dispatch.h"
#include "engine/backend/ref/region_parts.h"
#include "engine/core/parallel.h"

namespace duet::ref {
namespace {

// Where a window's positions are along one axis: of each output position the (tap, input) pairs that are
// inside, or of each input position the (tap, output) pairs of the windows that read it. Worked out once, so
// that the loops do not divide.
struct Read {
  Index tap, position;
};
using AxisReads = std::vector<std::vector<Read>>;
using Reads = std::array<AxisReads, 3>;

// Output o reads the input at o * stride - padding + tap.
Reads forward_reads(const PoolSpec& spec, const Triple& in, const Triple& out) {
  Reads reads;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    reads[axis].resize(static_cast<std::size_t>(out[axis]));
    for (Index o = 0; o < out[axis]; ++o) {
      for (Index tap = 0; tap < spec.kernel[axis]; ++tap) {
        const Index i = o * spec.stride[axis] - spec.padding[axis] + tap;
        if (i >= 0 && i < in[axis]) reads[axis][static_cast<std::size_t>(o)].push_back({tap, i});
      }
    }
  }
  return reads;
}

// The same pairs by input position, in order of outputs.
Reads backward_reads(const PoolSpec& spec, const Triple& in, const Triple& out) {
  const Reads forward = forward_reads(spec, in, out);
  Reads reads;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    reads[axis].resize(static_cast<std::size_t>(in[axis]));
    for (std::size_t o = 0; o < forward[axis].size(); ++o) {
      for (const Read& read : forward[axis][o]) {
        reads[axis][static_cast<std::size_t>(read.position)].push_back({read.tap, static_cast<Index>(o)});
      }
    }
  }
  return reads;
}

// For every row of `to`, in parallel over lines: begin(row), then body(row, tap, row of `from`) over its
// reads in order.
template <class Begin, class Body>
void for_reads(const PoolSpec& spec, const Reads& reads, const Shape& to, const Shape& from,
               const Begin& begin, const Body& body) {
  parallel_for(to.n * to.d * to.h, [&](Index line) {
    const Index h = line % to.h, d = line / to.h % to.d, n = line / (to.h * to.d);
    for (Index w = 0; w < to.w; ++w) {
      const Index row = line * to.w + w;
      begin(row);
      for (const Read& rd : reads[0][static_cast<std::size_t>(d)]) {
        for (const Read& rh : reads[1][static_cast<std::size_t>(h)]) {
          const Index tap = (rd.tap * spec.kernel[1] + rh.tap) * spec.kernel[2];
          const Index start = ((n * from.d + rd.position) * from.h + rh.position) * from.w;
          for (const Read& rw : reads[2][static_cast<std::size_t>(w)])
            body(row, tap + rw.tap, start + rw.position);
        }
      }
    }
  });
}

void check_pool(const PoolSpec& spec, const Shape& x, const Shape& y) {
  const Shape expected = pool_output_shape(spec, x);
  DUET_CHECK(y == expected, "pool: output ", y, " of input ", x, " should be ", expected);
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
  auto begin = [=](Index row) {
    std::fill_n(out + row * channels, channels, T(-std::numeric_limits<Compute<T>>::infinity()));
    std::fill_n(position + row * channels, channels, -1);  // no position yet: anything beats it
  };
  auto body = [=](Index row, Index tap, Index from) {
    T* best = out + row * channels;
    std::int32_t* at = position + row * channels;
    const T* value = in + from * channels;
    const auto k = static_cast<std::int32_t>(tap);
#pragma omp simd
    for (Index c = 0; c < channels; ++c) {
      const bool better = beats(Compute<T>(value[c]), Compute<T>(best[c])) | (at[c] < 0);
      best[c] = better ? value[c] : best[c];
      at[c] = better ? k : at[c];
    }
  };
  for_reads(spec, forward_reads(spec, x.shape.spatial(), y.shape.spatial()), y.shape, x.shape, begin, body);
}

// dx[i] = sum of dy[o] over the windows o whose maximum is at i.
template <class T>
void maxima_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) {
  const T* in = dy.as<T>();
  const std::int32_t* position = where.as<std::int32_t>();
  T* out = dx.as<T>();
  const Index channels = dx.shape.c;
  auto begin = [=](Index row) {
    if (accum == Accum::write) std::fill_n(out + row * channels, channels, T(0.0F));
  };
  auto body = [=](Index row, Index tap, Index from) {
    T* to = out + row * channels;
    const T* gradient = in + from * channels;
    const std::int32_t* at = position + from * channels;
    const auto k = static_cast<std::int32_t>(tap);
#pragma omp simd
    for (Index c = 0; c < channels; ++c) {
      put<true>(to[c], at[c] == k ? Compute<T>(gradient[c]) : Compute<T>(0));
    }
  };
  for_reads(spec, backward_reads(spec, dx.shape.spatial(), dy.shape.spatial()), dx.shape, dy.shape, begin,
            body);
}

// Sums of shares, forward and backward alike: to[row] = or += factor * from over its reads. Padding counts as
// zeros, so the share is one over the whole window.
template <class T>
void shares(const PoolSpec& spec, const Reads& reads, ConstView from, View to, Accum accum) {
  const T* in = from.as<T>();
  T* out = to.as<T>();
  const Index channels = to.shape.c;
  const auto share =
      static_cast<Compute<T>>(1.0 / static_cast<double>(spec.kernel[0] * spec.kernel[1] * spec.kernel[2]));
  auto begin = [=](Index row) {
    if (accum == Accum::write) std::fill_n(out + row * channels, channels, T(0.0F));
  };
  auto body = [=](Index row, Index, Index source) {
    T* sum = out + row * channels;
    const T* value = in + source * channels;
#pragma omp simd
    for (Index c = 0; c < channels; ++c) put<true>(sum[c], share * value[c]);
  };
  for_reads(spec, reads, to.shape, from.shape, begin, body);
}

}  // namespace

void max_pool_forward(const PoolSpec& spec, ConstView x, View y, View where) {
  check_pool(spec, x.shape, y.shape);
  DUET_CHECK(where.shape == y.shape, "max_pool: positions ", where.shape, " of output ", y.shape);
  with_storage("max_pool", x.dtype, [&](auto type) { maxima<decltype(type)>(spec, x, y, where); });
}

void max_pool_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) {
  check_pool(spec, dx.shape, dy.shape);
  DUET_CHECK(where.shape == dy.shape, "max_pool: positions ", where.shape, " of gradient ", dy.shape);
  with_storage("max_pool", dy.dtype,
               [&](auto type) { maxima_backward<decltype(type)>(spec, dy, where, dx, accum); });
}

void average_pool_forward(const PoolSpec& spec, ConstView x, View y) {
  check_pool(spec, x.shape, y.shape);
  const Reads reads = forward_reads(spec, x.shape.spatial(), y.shape.spatial());
  with_storage("average_pool", x.dtype,
               [&](auto type) { shares<decltype(type)>(spec, reads, x, y, Accum::write); });
}

void average_pool_backward(const PoolSpec& spec, ConstView dy, View dx, Accum accum) {
  check_pool(spec, dx.shape, dy.shape);
  const Reads reads = backward_reads(spec, dx.shape.spatial(), dy.shape.spatial());
  with_storage("average_pool", dy.dtype,
               [&](auto type) { shares<decltype(type)>(spec, reads, dy, dx, accum); });
}

}  // namespace duet::ref
