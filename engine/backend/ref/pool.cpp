// Max and average pooling. Backward gathers: each row of dx collects from the windows that read it, in a
// fixed order, so overlapping windows give the same sums for any number of threads.
#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "engine/backend/ref/region_parts.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"

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

// For every row of `to`, in parallel over lines: visit(row, each), where each(body) calls body(tap, row of
// `from`) over the row's reads in order. make() makes what the rows of a line share.
template <class Make>
void for_reads(const PoolSpec& spec, const Reads& reads, const Shape& to, const Shape& from,
               const Make& make) {
  parallel_for(to.n * to.d * to.h, [&](Index line) {
    const Index h = line % to.h, d = line / to.h % to.d, n = line / (to.h * to.d);
    auto visit = make();
    for (Index w = 0; w < to.w; ++w) {
      visit(line * to.w + w, [&](const auto& body) {
        for (const Read& rd : reads[0][static_cast<std::size_t>(d)]) {
          for (const Read& rh : reads[1][static_cast<std::size_t>(h)]) {
            const Index tap = (rd.tap * spec.kernel[1] + rh.tap) * spec.kernel[2];
            const Index start = ((n * from.d + rd.position) * from.h + rh.position) * from.w;
            for (const Read& rw : reads[2][static_cast<std::size_t>(w)])
              body(tap + rw.tap, start + rw.position);
          }
        }
      });
    }
  });
}

// to[row] = or += the sum over the row's reads of value(tap, i), i an element of `from`: in the type of
// computation, so that a row of bf16 is rounded once.
template <class T, class Value>
void sum_reads(const PoolSpec& spec, const Reads& reads, View to, const Shape& from, Accum accum,
               const Value& value) {
  using C = Compute<T>;
  const Index channels = to.shape.c;
  T* out = to.as<T>();
  for_reads(spec, reads, to.shape, from, [=] {
    return
        [=, sums = std::vector<C>(static_cast<std::size_t>(channels))](Index row, const auto& each) mutable {
          C* sum = sums.data();
          T* at = out + row * channels;
          for (Index c = 0; c < channels; ++c) sum[c] = accum == Accum::add ? C(at[c]) : C(0);
          each([=](Index tap, Index source) {
#pragma omp simd
            for (Index c = 0; c < channels; ++c) sum[c] += value(tap, source * channels + c);
          });
          for (Index c = 0; c < channels; ++c) at[c] = T(sum[c]);
        };
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
  const Reads reads = forward_reads(spec, x.shape.spatial(), y.shape.spatial());
  for_reads(spec, reads, y.shape, x.shape, [=] {
    return [=](Index row, const auto& each) {
      T* best = out + row * channels;
      std::int32_t* at = position + row * channels;
      std::fill_n(best, channels, T(-std::numeric_limits<Compute<T>>::infinity()));
      std::fill_n(at, channels, -1);  // no position yet: anything beats it
      each([=](Index tap, Index from) {
        const T* value = in + from * channels;
        const auto k = static_cast<std::int32_t>(tap);
#pragma omp simd
        for (Index c = 0; c < channels; ++c) {
          const bool better = beats(Compute<T>(value[c]), Compute<T>(best[c])) | (at[c] < 0);
          best[c] = better ? value[c] : best[c];
          at[c] = better ? k : at[c];
        }
      });
    };
  });
}

// dx[i] = sum of dy[o] over the windows o whose maximum is at i.
template <class T>
void maxima_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) {
  using C = Compute<T>;
  const Reads reads = backward_reads(spec, dx.shape.spatial(), dy.shape.spatial());
  sum_reads<T>(spec, reads, dx, dy.shape, accum,
               [in = dy.as<T>(), position = where.as<std::int32_t>()](Index tap, Index i) {
                 return position[i] == static_cast<std::int32_t>(tap) ? C(in[i]) : C(0);
               });
}

// Sums of shares, forward and backward alike: to[row] = or += factor * from over its reads. Padding counts as
// zeros, so the share is one over the whole window.
template <class T>
void shares(const PoolSpec& spec, const Reads& reads, ConstView from, View to, Accum accum) {
  const auto share =
      static_cast<Compute<T>>(1.0 / static_cast<double>(spec.kernel[0] * spec.kernel[1] * spec.kernel[2]));
  sum_reads<T>(spec, reads, to, from.shape, accum,
               [in = from.as<T>(), share](Index, Index i) { return share * in[i]; });
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
