// Max and average pooling. Everything gathers: an output over its window, a voxel's gradient over the outputs
// that read it, in ascending order, so that overlapping windows need no atomics and give the same sums each
// time.
#include "engine/backend/cuda/region_parts.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

// Windows along one axis: output o reads the inputs o stride - padding + tap, 0 <= tap < kernel.
struct Window {
  Index kernel, stride, padding, in, out;
  Index most;  // outputs that read one input: kernel / stride, rounded up
};

// What a position reads along one axis: `count` positions one after the other (none where it is not above 0);
// their taps begin at `tap` and step by `step`.
struct Reads {
  Index position;
  int tap, step, count;
};

// Inputs of an output. There is one at least, as the padding is below the kernel.
struct Forward {
  Window window;
  DUET_HOST_DEVICE Reads operator()(Index o) const {
    const Index start = o * window.stride - window.padding, rest = window.in - start;
    const Index first = start < 0 ? -start : 0, end = rest < window.kernel ? rest : window.kernel;
    return {start + first, static_cast<int>(first), 1, static_cast<int>(end - first)};
  }
};

// Outputs that read an input.
struct Backward {
  Window window;
  Divider stride;
  Backward(const Window& of) : window(of), stride(of.stride) {}
  DUET_HOST_DEVICE Reads operator()(Index i) const {
    const Index place = i + window.padding, last = stride.quotient(place);
    Index first = last - window.most + 1;
    if (place - first * window.stride >= window.kernel) ++first;
    first = first < 0 ? 0 : first;
    const Index end = last + 1 < window.out ? last + 1 : window.out;
    return {first, static_cast<int>(place - first * window.stride), -static_cast<int>(window.stride),
            static_cast<int>(end - first)};
  }
};

template <class Axis>
struct Axes {
  Axis d, h, w;
  Shape from;
  // Calls visit(tap, first element in `from`) over what a position reads, in order.
  template <class Visit>
  DUET_HOST_DEVICE void each(const Position& p, Visit& visit) const {
    const Reads rd = d(p.d), rh = h(p.h), rw = w(p.w);
    for (int i = 0; i < rd.count; ++i) {
      for (int j = 0; j < rh.count; ++j) {
        const int plane = (rd.tap + i * rd.step) * static_cast<int>(h.window.kernel) + rh.tap + j * rh.step;
        const int tap = plane * static_cast<int>(w.window.kernel) + rw.tap;
        const Index element = flat(from, {p.n, rd.position + i, rh.position + j, rw.position, p.c});
        for (int k = 0; k < rw.count; ++k) visit(tap + k * rw.step, element + k * from.c);
      }
    }
  }
};

// x is the shape that is pooled, y the pooled one; `from` is read.
template <class Axis>
Axes<Axis> axes_of(const PoolSpec& spec, const Shape& x, const Shape& y, const Shape& from) {
  const Triple in = x.spatial(), out = y.spatial();
  auto axis = [&](std::size_t i) {
    return Axis{{spec.kernel[i], spec.stride[i], spec.padding[i], in[i], out[i],
                 ceil_divide(spec.kernel[i], spec.stride[i])}};
  };
  return {axis(0), axis(1), axis(2), from};
}

// Positions in windows, in packs of 128 bits at most: those of eight bf16 take two.
template <int W>
constexpr int kPlaces = W < 4 ? W : 4;

template <int W>
DUET_HOST_DEVICE inline void load_places(const std::int32_t* where, Index first, std::int32_t* places) {
  constexpr int P = kPlaces<W>;
  for (int i = 0; i < W; i += P) {
    const auto part = *reinterpret_cast<const Pack<std::int32_t, P>*>(where + first + i);
    for (int j = 0; j < P; ++j) places[i + j] = part.v[j];
  }
}

template <int W>
DUET_HOST_DEVICE inline void store_places(std::int32_t* where, Index first, const std::int32_t* places) {
  constexpr int P = kPlaces<W>;
  for (int i = 0; i < W; i += P) {
    Pack<std::int32_t, P> part;
    for (int j = 0; j < P; ++j) part.v[j] = places[i + j];
    *reinterpret_cast<Pack<std::int32_t, P>*>(where + first + i) = part;
  }
}

// The greatest so far, the first of equals; a NaN wins over numbers, as it would otherwise be lost here.
template <class T, int W>
struct Greatest {
  const T* x;
  Pack<Compute<T>, W> best;
  std::int32_t places[W];  // -1: none yet
  DUET_HOST_DEVICE void operator()(int tap, Index element) {
    const auto values = load<W>(x, element);
    for (int i = 0; i < W; ++i) {
      const Compute<T> value = values.v[i], old = best.v[i];
      const bool beats = value > old || (value != value && old == old);
      if (beats || places[i] < 0) {
        best.v[i] = value;
        places[i] = tap;
      }
    }
  }
};

template <class T>
struct Maxima {
  Axes<Forward> axes;
  const T* x;
  T* y;
  std::int32_t* where;
  template <int W>
  DUET_HOST_DEVICE void at(const Position& p, Index element) const {
    Greatest<T, W> greatest;
    greatest.x = x;
    for (int i = 0; i < W; ++i) {
      greatest.best.v[i] = Compute<T>(0);
      greatest.places[i] = -1;
    }
    axes.each(p, greatest);
    store<W>(y, element, greatest.best, Accum::write);
    store_places<W>(where, element, greatest.places);
  }
};

// dy where the maximum of its window is at the tap, else 0.
template <class T>
struct MaximumTerm {
  const T* dy;
  const std::int32_t* where;
  template <int W>
  DUET_HOST_DEVICE void add(int tap, Index element, Pack<Compute<T>, W>& sums) const {
    const auto values = load<W>(dy, element);
    std::int32_t places[W];
    load_places<W>(where, element, places);
    for (int i = 0; i < W; ++i) {
      sums.v[i] += places[i] == tap ? values.v[i] : Compute<T>(0);
    }
  }
};

// Padding counts as zeros, so the share is one over the whole window, forward and backward alike.
template <class T>
struct ShareTerm {
  const T* from;
  Compute<T> share;
  template <int W>
  DUET_HOST_DEVICE void add(int, Index element, Pack<Compute<T>, W>& sums) const {
    const auto values = load<W>(from, element);
    for (int i = 0; i < W; ++i) sums.v[i] += share * values.v[i];
  }
};

template <int W, class C, class Term>
struct Adder {
  const Term& term;
  Pack<C, W> sums;
  DUET_HOST_DEVICE void operator()(int tap, Index element) { term.template add<W>(tap, element, sums); }
};

// to = or += the sum of a term over what each position reads: in the type of computation, so that bf16 is
// rounded once.
template <class T, class Axis, class Term>
struct SumReads {
  static constexpr int kBlocks = 3;
  Axes<Axis> axes;
  Term term;
  T* to;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(const Position& p, Index element) const {
    Adder<W, Compute<T>, Term> adder{term, first_sums<W>(to, element, accum)};
    axes.each(p, adder);
    store<W>(to, element, adder.sums, Accum::write);
  }
};

template <class T>
Compute<T> share_of(const PoolSpec& spec) {
  return static_cast<Compute<T>>(1.0 / static_cast<double>(spec.kernel[0] * spec.kernel[1] * spec.kernel[2]));
}

void check_pool(const PoolSpec& spec, const Shape& x, const Shape& y) {
  const Shape expected = pool_output_shape(spec, x);
  DUET_CHECK(y == expected, "pool: output ", y, " of input ", x, " should be ", expected);
}

}  // namespace

void max_pool_forward(const Room& room, const PoolSpec& spec, ConstView x, View y, View where) {
  check_pool(spec, x.shape, y.shape);
  DUET_CHECK(where.shape == y.shape, "max_pool: positions ", where.shape, " of output ", y.shape);
  with_storage("max_pool", x.dtype, [&](auto type) {
    using T = decltype(type);
    for_voxel_packs<T>(*room.driver, "max_pool_forward", y.shape, aligned(x.data, y.data, where.data),
                       Maxima<T>{axes_of<Forward>(spec, x.shape, y.shape, x.shape), x.as<T>(), y.as<T>(),
                                 where.as<std::int32_t>()});
  });
}

void max_pool_backward(const Room& room, const PoolSpec& spec, ConstView dy, ConstView where, View dx,
                       Accum accum) {
  check_pool(spec, dx.shape, dy.shape);
  DUET_CHECK(where.shape == dy.shape, "max_pool: positions ", where.shape, " of gradient ", dy.shape);
  with_storage("max_pool", dy.dtype, [&](auto type) {
    using T = decltype(type);
    const SumReads<T, Backward, MaximumTerm<T>> f{axes_of<Backward>(spec, dx.shape, dy.shape, dy.shape),
                                                  {dy.as<T>(), where.as<std::int32_t>()},
                                                  dx.as<T>(),
                                                  accum};
    for_voxel_packs<T>(*room.driver, "max_pool_backward", dx.shape, aligned(dy.data, where.data, dx.data), f);
  });
}

void average_pool_forward(const Room& room, const PoolSpec& spec, ConstView x, View y) {
  check_pool(spec, x.shape, y.shape);
  with_storage("average_pool", x.dtype, [&](auto type) {
    using T = decltype(type);
    const SumReads<T, Forward, ShareTerm<T>> f{axes_of<Forward>(spec, x.shape, y.shape, x.shape),
                                               {x.as<T>(), share_of<T>(spec)},
                                               y.as<T>(),
                                               Accum::write};
    for_voxel_packs<T>(*room.driver, "average_pool_forward", y.shape, aligned(x.data, y.data), f);
  });
}

void average_pool_backward(const Room& room, const PoolSpec& spec, ConstView dy, View dx, Accum accum) {
  check_pool(spec, dx.shape, dy.shape);
  with_storage("average_pool", dy.dtype, [&](auto type) {
    using T = decltype(type);
    const SumReads<T, Backward, ShareTerm<T>> f{axes_of<Backward>(spec, dx.shape, dy.shape, dy.shape),
                                                {dy.as<T>(), share_of<T>(spec)},
                                                dx.as<T>(),
                                                accum};
    for_voxel_packs<T>(*room.driver, "average_pool_backward", dx.shape, aligned(dy.data, dx.data), f);
  });
}

}  // namespace duet::cuda
