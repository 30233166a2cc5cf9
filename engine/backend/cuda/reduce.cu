// Sums along axes, their transpose, and dot products. Sums in double; those of whole samples or tensors by
// packs of elements, those that keep channels by column, those that keep space by one item a result.
#include "engine/backend/cuda/loss_parts.h"
#include "engine/backend/cuda/sums.h"

namespace duet::cuda {
namespace {

// y[at] = or += value.
template <class T>
DUET_HOST_DEVICE inline void store_sum(T* y, Index at, double value, Accum accum) {
  y[at] = static_cast<T>(accum == Accum::add ? static_cast<double>(y[at]) + value : value);
}

template <class T>
struct ElementTerms {
  const T* x;
  Index elements;  // of a segment
  template <int W>
  DUET_HOST_DEVICE void at(Index segment, Index first, double* sums) const {
    const auto values = load<W>(x, segment * elements + first);
    for (int i = 0; i < W; ++i) sums[0] += static_cast<double>(values.v[i]);
  }
};

template <class T>
struct Products {
  const T *a, *b;
  template <int W>
  DUET_HOST_DEVICE void at(Index, Index first, double* sums) const {
    const auto left = load<W>(a, first), right = load<W>(b, first);
    for (int i = 0; i < W; ++i) sums[0] += static_cast<double>(left.v[i]) * static_cast<double>(right.v[i]);
  }
};

template <class T>
struct ColumnTerms {
  const T* x;
  Columns of;
  template <int W>
  DUET_HOST_DEVICE void add(Index segment, Index row, Index column, double* sums) const {
    const auto values = load<W>(x, (segment * of.rows + row) * of.columns + column);
    for (int i = 0; i < W; ++i) sums[i] += static_cast<double>(values.v[i]);
  }
};

template <class T>
struct StoreReduced {
  T* y;  // (segments, columns)
  Index columns;
  double factor;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index segment, const double* sums) const { (*this)(segment, 0, sums); }
  DUET_HOST_DEVICE void operator()(Index segment, Index column, const double* sums) const {
    store_sum(y, segment * columns + column, factor * sums[0], accum);
  }
};

// y = or += factor times the sum over samples `step` elements apart, by element.
template <class T>
struct SumSamples {
  const T* x;
  Index samples, step;
  double factor;
  T* y;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    double sums[W] = {};
    for (Index n = 0; n < samples; ++n) {
      const auto values = load<W>(x, n * step + first);
      for (int i = 0; i < W; ++i) sums[i] += static_cast<double>(values.v[i]);
    }
    Pack<T, W> out;
    for (int i = 0; i < W; ++i) out.v[i] = static_cast<T>(factor * sums[i]);
    store<W>(y, first, out, accum);
  }
};

// The same over channels, too, by voxel.
template <class T>
struct SumRows {
  const T* x;
  Index samples, step, channels;
  double factor;
  T* y;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index v) const {
    double sum = 0;
    for (Index n = 0; n < samples; ++n) {
      const T* row = x + n * step + v * channels;
      for (Index c = 0; c < channels; ++c) sum += static_cast<double>(row[c]);
    }
    store_one(y, v, static_cast<T>(factor * sum), accum);
  }
};

template <class T>
void sum_over_space(const Room& room, const Reduction& axes, ConstView x, double factor, View y,
                    Accum accum) {
  const Shape& shape = x.shape;
  const Index segments = axes.n ? 1 : shape.n;
  const bool vectorised = aligned(x.data);
  if (axes.c || shape.c == 1) {
    const Index elements = shape.elements() / segments;
    return sum_elements<1, T>(room, "reduce_sum", segments, elements, vectorised,
                              ElementTerms<T>{x.as<T>(), elements},
                              StoreReduced<T>{y.as<T>(), 1, factor, accum});
  }
  const Columns of{segments, shape.rows() / segments, shape.c};
  const ColumnTerms<T> terms{x.as<T>(), of};
  const StoreReduced<T> finish{y.as<T>(), shape.c, factor, accum};
  if (vectorised && shape.c % kPack<T> == 0) {
    sum_columns<1, kPack<T>>(*room.driver, room.memory, "reduce_sum", of, terms, finish);
  } else {
    sum_columns<1, 1>(*room.driver, room.memory, "reduce_sum", of, terms, finish);
  }
}

template <class T>
void sum_beside_space(const Room& room, const Reduction& axes, ConstView x, double factor, View y,
                      Accum accum) {
  const Shape& shape = x.shape;
  const Index samples = axes.n ? shape.n : 1;  // of one sum
  const Index step = shape.voxels() * shape.c;
  if (axes.c) {
    for_items(*room.driver, "reduce_sum", y.shape.elements(),
              SumRows<T>{x.as<T>(), samples, step, shape.c, factor, y.as<T>(), accum});
  } else {
    const bool whole = samples == 1 || step % kPack<T> == 0;
    for_packs<T>(*room.driver, "reduce_sum", y.shape.elements(), whole && aligned(x.data, y.data),
                 SumSamples<T>{x.as<T>(), samples, step, factor, y.as<T>(), accum});
  }
}

// y = or += factor x, x (1 or N, 1 or voxels, 1 or C): strides are 0 along axes that it lacks.
template <class T>
struct Broadcast {
  const T* x;
  Divider voxels, channels;  // of y
  Index sample_step, voxel_step, channel_step;
  T factor;
  T* y;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    Index n = first, c = channels.take(n), v = voxels.take(n);
    Pack<T, W> values;
    for (int i = 0; i < W; ++i) {
      values.v[i] = factor * x[n * sample_step + v * voxel_step + c * channel_step];
      if (++c < channels.by) continue;
      c = 0;
      if (++v < voxels.by) continue;
      v = 0;
      ++n;
    }
    store<W>(y, first, values, accum);
  }
};

}  // namespace

void reduce_sum(const Room& room, const Reduction& axes, ConstView x, double factor, View y, Accum accum) {
  check_same("reduce_sum", y.shape, reduced_shape(axes, x.shape));
  with_type("reduce_sum", x.dtype, [&](auto type) {
    using T = decltype(type);
    if (axes.space) {
      sum_over_space<T>(room, axes, x, factor, y, accum);
    } else {
      sum_beside_space<T>(room, axes, x, factor, y, accum);
    }
  });
}

void broadcast(const Room& room, const Reduction& axes, ConstView x, double factor, View y, Accum accum) {
  check_same("broadcast", x.shape, reduced_shape(axes, y.shape));
  with_type("broadcast", x.dtype, [&](auto type) {
    using T = decltype(type);
    const Broadcast<T> f{x.as<T>(),
                         Divider{y.shape.voxels()},
                         Divider{y.shape.c},
                         axes.n ? 0 : x.shape.voxels() * x.shape.c,
                         axes.space ? 0 : x.shape.c,
                         axes.c ? 0 : 1,
                         static_cast<T>(factor),
                         y.as<T>(),
                         accum};
    for_packs<T>(*room.driver, "broadcast", y.shape.elements(), aligned(y.data), f);
  });
}

void dot(const Room& room, ConstView a, ConstView b, View out, Accum accum) {
  check_same("dot", a.shape, b.shape);
  with_type("dot", a.dtype, [&](auto type) {
    using T = decltype(type);
    sum_elements<1, T>(room, "dot", 1, a.shape.elements(), aligned(a.data, b.data),
                       Products<T>{a.as<T>(), b.as<T>()},
                       StoreReduced<double>{out.as<double>(), 1, 1.0, accum});
  });
}

}  // namespace duet::cuda
