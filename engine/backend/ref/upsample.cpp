// Upsampling by whole factors. Both kinds are separable: y[o] = sum over the taps of each axis of the product
// of their weights times x[index]. Backward is the same sum over the transposed taps: exactly the transpose,
// in a fixed order.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/backend/ref/region_parts.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
namespace {

struct Tap {
  Index index;
  double weight;
};

// What each position along one axis is a sum of.
using AxisTaps = std::vector<std::vector<Tap>>;
using Taps = std::array<AxisTaps, 3>;

// Taps of the size * factor positions of the output along an axis.
AxisTaps forward_taps(UpsampleKind kind, Index size, Index factor) {
  AxisTaps taps(static_cast<std::size_t>(size * factor));
  for (Index o = 0; o < size * factor; ++o) {
    auto& at = taps[static_cast<std::size_t>(o)];
    if (kind == UpsampleKind::nearest) {
      at = {{o / factor, 1.0}};
      continue;
    }
    // Voxel centres: output o lies at (o + 1/2) / factor - 1/2 of the input, clamped to its first and last
    // voxel.
    const double centre = (static_cast<double>(o) + 0.5) / static_cast<double>(factor) - 0.5;
    const double place = std::clamp(centre, 0.0, static_cast<double>(size - 1));
    const auto low = static_cast<Index>(place);
    const double t = place - static_cast<double>(low);
    at.push_back({low, 1.0 - t});
    if (t > 0.0) at.push_back({low + 1, t});
  }
  return taps;
}

// Who reads each of the `size` positions of the input, and with what weight.
AxisTaps transposed_taps(const AxisTaps& taps, Index size) {
  AxisTaps transposed(static_cast<std::size_t>(size));
  for (std::size_t o = 0; o < taps.size(); ++o) {
    for (const Tap& tap : taps[o]) {
      transposed[static_cast<std::size_t>(tap.index)].push_back({static_cast<Index>(o), tap.weight});
    }
  }
  return transposed;
}

// y[n,d,h,w] = or += sum over the taps of d, h and w of weights times x: in the type of computation, so that
// bf16 is rounded once.
template <class T>
void resample(const Taps& taps, ConstView x, View y, Accum accum) {
  using C = Compute<T>;
  const T* in = x.as<T>();
  T* out = y.as<T>();
  const Shape &from = x.shape, &to = y.shape;
  const Index channels = to.c;
  parallel_for(to.n * to.d * to.h, [&](Index line) {
    const Index h = line % to.h, d = line / to.h % to.d, n = line / (to.h * to.d);
    std::vector<C> sums(static_cast<std::size_t>(channels));
    C* sum = sums.data();
    for (Index w = 0; w < to.w; ++w) {
      T* row = out + (line * to.w + w) * channels;
      for (Index c = 0; c < channels; ++c) sum[c] = accum == Accum::add ? C(row[c]) : C(0);
      for (const Tap& td : taps[0][static_cast<std::size_t>(d)]) {
        for (const Tap& th : taps[1][static_cast<std::size_t>(h)]) {
          const T* source = in + ((n * from.d + td.index) * from.h + th.index) * from.w * channels;
          for (const Tap& tw : taps[2][static_cast<std::size_t>(w)]) {
            const auto weight = static_cast<C>(td.weight * th.weight * tw.weight);
            const T* at = source + tw.index * channels;
#pragma omp simd
            for (Index c = 0; c < channels; ++c) sum[c] += weight * at[c];
          }
        }
      }
      for (Index c = 0; c < channels; ++c) row[c] = T(sum[c]);
    }
  });
}

Taps taps_of(UpsampleKind kind, const Triple& factor, const Shape& x) {
  const Triple size = x.spatial();
  Taps taps;
  for (std::size_t axis = 0; axis < 3; ++axis) taps[axis] = forward_taps(kind, size[axis], factor[axis]);
  return taps;
}

void check_upsample(const Triple& factor, const Shape& x, const Shape& y) {
  DUET_CHECK(factor[0] >= 1 && factor[1] >= 1 && factor[2] >= 1, "upsample: factor ", factor[0], "x",
             factor[1], "x", factor[2]);
  const Shape expected{x.n, x.d * factor[0], x.h * factor[1], x.w * factor[2], x.c};
  DUET_CHECK(y == expected, "upsample: output ", y, " of input ", x, " should be ", expected);
}

}  // namespace

void upsample_forward(UpsampleKind kind, const Triple& factor, ConstView x, View y) {
  check_upsample(factor, x.shape, y.shape);
  const Taps taps = taps_of(kind, factor, x.shape);
  with_storage("upsample", x.dtype, [&](auto type) { resample<decltype(type)>(taps, x, y, Accum::write); });
}

void upsample_backward(UpsampleKind kind, const Triple& factor, ConstView dy, View dx, Accum accum) {
  check_upsample(factor, dx.shape, dy.shape);
  Taps taps = taps_of(kind, factor, dx.shape);
  const Triple size = dx.shape.spatial();
  for (std::size_t axis = 0; axis < 3; ++axis) taps[axis] = transposed_taps(taps[axis], size[axis]);
  with_storage("upsample", dy.dtype, [&](auto type) { resample<decltype(type)>(taps, dy, dx, accum); });
}

}  // namespace duet::ref
