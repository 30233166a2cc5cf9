// Upsampling by whole factors. Both kinds are separable: y[o] = sum over the taps of each axis of the product
// of their weights times x[index]. Backward is the same sum over the transposed taps: exactly the transpose,
// gathered in a fixed order.
#include "engine/backend/cuda/region_parts.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

// What a position reads along one axis: `count` positions from `first` on.
struct Reads {
  Index first, count;
};

// An axis says what position p of the result reads, and what a position q that it reads counts: a whole
// number of 1 / steps(factor).
struct Nearest {
  Divider factor;
  Index size;  // of the input of the forward pass
  static Index steps(Index) { return 1; }
  DUET_HOST_DEVICE Reads reads(Index p) const { return {factor.quotient(p), 1}; }
  DUET_HOST_DEVICE int weight(Index, Index) const { return 1; }
};

struct NearestTransposed {
  Index factor, size;
  static Index steps(Index) { return 1; }
  DUET_HOST_DEVICE Reads reads(Index p) const { return {p * factor, factor}; }
  DUET_HOST_DEVICE int weight(Index, Index) const { return 1; }
};

// Voxel centres: output o lies at (o + 1/2) / factor - 1/2 of the input, clamped to its first and last voxel.
// In steps of 1 / (2 factor) that is a whole number.
DUET_HOST_DEVICE inline Index place_of(Index o, Index factor, Index size) {
  const Index place = 2 * o + 1 - factor, last = 2 * factor * (size - 1);
  return place < 0 ? 0 : (place > last ? last : place);
}

// What input i counts at a place: 2 factor right there, 0 one voxel away.
DUET_HOST_DEVICE inline int weight_of(Index i, Index place, Index factor) {
  const Index distance = place - 2 * factor * i;
  return static_cast<int>(2 * factor - (distance < 0 ? -distance : distance));
}

struct Linear {
  Index factor, size;
  Divider twice;
  Linear(Index by, Index of) : factor(by), size(of), twice(2 * by) {}
  static Index steps(Index factor) { return 2 * factor; }
  DUET_HOST_DEVICE Reads reads(Index p) const {
    Index low = place_of(p, factor, size);
    const Index rest = twice.take(low);
    return {low, rest > 0 ? 2 : 1};
  }
  DUET_HOST_DEVICE int weight(Index p, Index q) const {
    return weight_of(q, place_of(p, factor, size), factor);
  }
};

struct LinearTransposed {
  Index factor, size;
  static Index steps(Index factor) { return 2 * factor; }
  // The outputs less than a voxel away; those that are clamped count for the first and last voxel.
  DUET_HOST_DEVICE Reads reads(Index p) const {
    const Index below = factor * (p - 1) + (factor + 1) / 2, above = factor * (p + 1) + factor / 2;
    const Index first = below < 0 ? 0 : below, end = above < factor * size ? above : factor * size;
    return {first, end - first};
  }
  DUET_HOST_DEVICE int weight(Index p, Index q) const {
    return weight_of(p, place_of(q, factor, size), factor);
  }
};

// y = or += the weighted sum of x over what each position reads: in the type of computation, so that bf16 is
// rounded once.
template <class T, class Axis>
struct Resample {
  Axis d, h, w;
  Compute<T> unit;  // of products of weights
  Shape from;
  const T* x;
  T* y;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(const Position& p, Index element) const {
    using C = Compute<T>;
    auto sums = first_sums<W>(y, element, accum);
    const Reads rd = d.reads(p.d), rh = h.reads(p.h), rw = w.reads(p.w);
    for (Index i = rd.first; i < rd.first + rd.count; ++i) {
      const C plane = unit * static_cast<C>(d.weight(p.d, i));
      for (Index j = rh.first; j < rh.first + rh.count; ++j) {
        const C line = plane * static_cast<C>(h.weight(p.h, j));
        const Index start = flat(from, {p.n, i, j, rw.first, p.c});
        for (Index k = 0; k < rw.count; ++k) {
          const C weight = line * static_cast<C>(w.weight(p.w, rw.first + k));
          const auto values = load<W>(x, start + k * from.c);
          for (int c = 0; c < W; ++c) sums.v[c] += weight * values.v[c];
        }
      }
    }
    store<W>(y, element, sums, Accum::write);
  }
};

// `size` of the input of the forward pass.
template <class Axis>
void resample(const Room& room, const char* name, const Triple& factor, const Triple& size, ConstView x,
              View y, Accum accum) {
  const Index steps = Axis::steps(factor[0]) * Axis::steps(factor[1]) * Axis::steps(factor[2]);
  with_storage("upsample", x.dtype, [&](auto type) {
    using T = decltype(type);
    const Resample<T, Axis> f{{factor[0], size[0]},
                              {factor[1], size[1]},
                              {factor[2], size[2]},
                              static_cast<Compute<T>>(1.0 / static_cast<double>(steps)),
                              x.shape,
                              x.as<T>(),
                              y.as<T>(),
                              accum};
    for_voxel_packs<T>(*room.driver, name, y.shape, aligned(x.data, y.data), f);
  });
}

void check_upsample(const Triple& factor, const Shape& x, const Shape& y) {
  DUET_CHECK(factor[0] >= 1 && factor[1] >= 1 && factor[2] >= 1, "upsample: factor ", factor[0], "x",
             factor[1], "x", factor[2]);
  const Shape expected{x.n, x.d * factor[0], x.h * factor[1], x.w * factor[2], x.c};
  DUET_CHECK(y == expected, "upsample: output ", y, " of input ", x, " should be ", expected);
}

}  // namespace

void upsample_forward(const Room& room, UpsampleKind kind, const Triple& factor, ConstView x, View y) {
  check_upsample(factor, x.shape, y.shape);
  const auto pass = kind == UpsampleKind::nearest ? &resample<Nearest> : &resample<Linear>;
  pass(room, "upsample_forward", factor, x.shape.spatial(), x, y, Accum::write);
}

void upsample_backward(const Room& room, UpsampleKind kind, const Triple& factor, ConstView dy, View dx,
                       Accum accum) {
  check_upsample(factor, dx.shape, dy.shape);
  const auto pass =
      kind == UpsampleKind::nearest ? &resample<NearestTransposed> : &resample<LinearTransposed>;
  pass(room, "upsample_backward", factor, dx.shape.spatial(), dy, dx, accum);
}

}  // namespace duet::cuda
