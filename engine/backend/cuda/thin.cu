#include <type_traits>

#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/runs.h"
#include "engine/backend/cuda/thin.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

constexpr Index kMostRows = 16;  // added in float
constexpr int kMostSums = 16;    // of a thread, in the weight gradient

// What all passes know: outputs, inputs and where samples begin.
struct Sizes {
  Index inputs;
  int outputs;
  Divider sample;  // rows of a sample
  Sizes(const Shape& x, const Shape& w) : inputs(x.c), outputs(static_cast<int>(w.n)), sample{x.voxels()} {}
};

// values times the factors of a row's sample at these channels; scale may be null.
template <int W, class C>
DUET_HOST_DEVICE inline void scale_values(const C* scale, const Sizes& sizes, Index row, Index channel,
                                          Pack<C, W>& values) {
  if (!scale) return;
  const Pack<C, W> factors = load_run<W>(scale, sizes.sample.quotient(row) * sizes.inputs + channel);
  for (int i = 0; i < W; ++i) values.v[i] *= factors.v[i];
}

// One row an item. kOut outputs at most; `whole`: exactly as many, and y takes them in packs.
template <class T, class Y, int kOut, int W>
struct ThinForward {
  using C = Compute<T>;
  static constexpr int kFlight = W == 4 ? 4 : 1;  // packs read before any is used: 64 bytes of a row
  static constexpr int kBlocks = kOut <= 2 && W == 4 ? 5 : kOut == 8 && W == 1 ? 4 : 0;
  const T* x;
  const C *scale, *w, *b;
  Y* y;
  Sizes sizes;
  bool whole;

  DUET_HOST_DEVICE void operator()(Index row) const {
    Pack<C, kOut> sums;
    for (int o = 0; o < kOut; ++o) sums.v[o] = b && o < sizes.outputs ? b[o] : C(0);
    Index i = 0;
    for (; i + (kFlight - 1) * W < sizes.inputs; i += kFlight * W) add<kFlight>(row, i, sums);
    for (; i < sizes.inputs; i += W) add<1>(row, i, sums);
    if (whole) return store_run<kOut>(y, row * kOut, sums);
    for (int o = 0; o < kOut; ++o) {
      if (o < sizes.outputs) y[row * sizes.outputs + o] = Y(sums.v[o]);
    }
  }

  // kPacks packs of the row, from channel `first` on.
  template <int kPacks>
  DUET_HOST_DEVICE void add(Index row, Index first, Pack<C, kOut>& sums) const {
    Pack<C, W> values[kPacks];
    DUET_UNROLL
    for (int k = 0; k < kPacks; ++k) values[k] = load<W>(x, row * sizes.inputs + first + k * W);
    DUET_UNROLL
    for (int k = 0; k < kPacks; ++k) {
      const Index channel = first + k * W;
      scale_values<W>(scale, sizes, row, channel, values[k]);
      for (int o = 0; o < kOut; ++o) {
        if (o >= sizes.outputs) break;
        const Pack<C, W> weights = load_run<W>(w, o * sizes.inputs + channel);
        for (int j = 0; j < W; ++j) sums.v[o] += values[k].v[j] * weights.v[j];
      }
    }
  }
};

constexpr int kDataRows = 4;

// One pack of the inputs of kDataRows rows an item, `step` rows apart: each weight is read once for them, and
// all gradients before any is used. kOut outputs at most; `whole`: exactly as many, and dy has them in packs.
template <class T, class Y, int kOut, int W>
struct ThinData {
  using C = Compute<T>;
  const Y* dy;
  const C *scale, *w;
  T* dx;
  Sizes sizes;
  Divider packs;
  Index rows, step;
  Accum accum;
  bool whole;

  DUET_HOST_DEVICE void operator()(Index i) const {
    Index first = i;
    const Index channel = packs.take(first) * W;
    Pack<C, kOut> gradients[kDataRows];
    DUET_UNROLL
    for (int k = 0; k < kDataRows; ++k) gradients[k] = gradients_of(first + k * step);
    Pack<C, W> sums[kDataRows] = {};
    DUET_UNROLL
    for (int o = 0; o < kOut; ++o) {
      if (o >= sizes.outputs) break;
      const Pack<C, W> weights = load_run<W>(w, o * sizes.inputs + channel);
      DUET_UNROLL
      for (int k = 0; k < kDataRows; ++k) {
        for (int j = 0; j < W; ++j) sums[k].v[j] += gradients[k].v[o] * weights.v[j];
      }
    }
    DUET_UNROLL
    for (int k = 0; k < kDataRows; ++k) {
      const Index row = first + k * step;
      if (row >= rows) break;
      scale_values<W>(scale, sizes, row, channel, sums[k]);
      store<W>(dx, row * sizes.inputs + channel, sums[k], accum);
    }
  }

  // Zeros beyond the last row.
  DUET_HOST_DEVICE Pack<C, kOut> gradients_of(Index row) const {
    Pack<C, kOut> values{};
    if (row >= rows) return values;
    if (whole) return load_run<kOut>(dy, row * kOut);
    for (int o = 0; o < kOut; ++o) {
      if (o < sizes.outputs) values.v[o] = static_cast<C>(dy[row * sizes.outputs + o]);
    }
    return values;
  }
};

// Columns are inputs, sums are outputs; a row of the sum is every `runs`-th row, so that neighbouring threads
// read neighbouring rows.
template <class T, class Y, int kOut>
struct ThinProducts {
  using C = Compute<T>;
  static constexpr int kBlocks = sizeof(C) == 8 ? 0 : 2;
  const T* x;
  const C* scale;
  const Y* dy;
  Sizes sizes;
  Index rows, runs;

  // All are read before any is used: the step between them is known at run time only, so that a loop over
  // rows would wait for memory in each.
  template <int W, int kRows>
  DUET_HOST_DEVICE void add_rows_of(Index first, Index channel, C* parts) const {
    Pack<T, W> read[kRows];
    C gradients[kRows][kOut];
    DUET_UNROLL
    for (int k = 0; k < kRows; ++k) {
      const Index row = first + k * runs;
      read[k] = *reinterpret_cast<const Pack<T, W>*>(x + row * sizes.inputs + channel);
      for (int o = 0; o < kOut; ++o) {
        gradients[k][o] = o < sizes.outputs ? static_cast<C>(dy[row * sizes.outputs + o]) : C(0);
      }
    }
    DUET_UNROLL
    for (int k = 0; k < kRows; ++k) {
      Pack<C, W> values;
      for (int j = 0; j < W; ++j) values.v[j] = static_cast<C>(read[k].v[j]);
      scale_values<W>(scale, sizes, first + k * runs, channel, values);
      for (int o = 0; o < kOut; ++o) {
        for (int j = 0; j < W; ++j) parts[o * W + j] += gradients[k][o] * values.v[j];
      }
    }
  }
  template <int W>
  DUET_HOST_DEVICE void add(Index, Index run, Index channel, double* sums) const {
    C parts[kOut * W] = {};
    constexpr int kFlight = sizeof(C) == 8 ? 1 : kOut == 8 ? 2 : 4;
    Index row = run;
    for (; row + (kFlight - 1) * runs < rows; row += kFlight * runs)
      add_rows_of<W, kFlight>(row, channel, parts);
    for (; row < rows; row += runs) add_rows_of<W, 1>(row, channel, parts);
    for (int i = 0; i < kOut * W; ++i) sums[i] += static_cast<double>(parts[i]);
  }
};

template <class C, int kOut>
struct StoreThin {
  C* dw;  // (Co, Ci)
  Sizes sizes;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index, Index channel, const double* sums) const {
    for (int o = 0; o < kOut; ++o) {
      if (o >= sizes.outputs) break;
      C& to = dw[o * sizes.inputs + channel];
      to = static_cast<C>(accum == Accum::add ? static_cast<double>(to) + sums[o] : sums[o]);
    }
  }
};

// Calls f(T{}, Y{}) with the types of x and y.
template <class F>
void with_types(DType x, DType y, const F& f) {
  with_storage("pointwise_conv", x, [&](auto type) {
    using T = decltype(type);
    if (x != y) {
      f(type, Compute<T>{});
    } else {
      f(type, type);
    }
  });
}

// Calls f with the least of 1, 2, 4, 8 that is not below `outputs`, as a constant.
template <class F>
void with_outputs(Index outputs, const F& f) {
  if (outputs <= 1) return f(std::integral_constant<int, 1>{});
  if (outputs <= 2) return f(std::integral_constant<int, 2>{});
  if (outputs <= 4) return f(std::integral_constant<int, 4>{});
  f(std::integral_constant<int, 8>{});
}

// Calls f with W as a constant where rows of x are whole packs of it, else with 1.
template <int W, class F>
void with_width(bool vectorised, Index inputs, const F& f) {
  if (vectorised && inputs % W == 0) return f(std::integral_constant<int, W>{});
  f(std::integral_constant<int, 1>{});
}

template <class C>
const C* data_of(const ConstView& view) {
  return view ? view.as<C>() : nullptr;
}

}  // namespace

void thin_forward(const Room& room, ConstView x, ConstView scale, ConstView w, ConstView b, View y) {
  with_types(x.dtype, y.dtype, [&](auto x_type, auto y_type) {
    using T = decltype(x_type);
    using Y = decltype(y_type);
    using C = Compute<T>;
    with_outputs(w.shape.n, [&](auto outputs) {
      constexpr int kOut = decltype(outputs)::value;
      with_width<kPack<T>>(aligned(x.data, w.data, scale.data), x.shape.c, [&](auto width) {
        constexpr int W = decltype(width)::value;
        for_items(
            *room.driver, "pointwise_conv forward", x.shape.rows(),
            ThinForward<T, Y, kOut, W>{x.as<T>(), data_of<C>(scale), w.as<C>(), data_of<C>(b), y.as<Y>(),
                                       Sizes(x.shape, w.shape), w.shape.n == kOut && aligned(y.data)});
      });
    });
  });
}

void thin_data(const Room& room, ConstView dy, ConstView scale, ConstView w, View dx, Accum accum) {
  with_types(dx.dtype, dy.dtype, [&](auto x_type, auto y_type) {
    using T = decltype(x_type);
    using Y = decltype(y_type);
    using C = Compute<T>;
    with_outputs(w.shape.n, [&](auto outputs) {
      constexpr int kOut = decltype(outputs)::value;
      with_width<kPack<T>>(aligned(dx.data, w.data, scale.data), dx.shape.c, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const Divider packs{dx.shape.c / W};
        const Index rows = dx.shape.rows(), step = ceil_divide(rows, kDataRows);
        const bool whole = w.shape.n == kOut && aligned(dy.data);
        for_items(*room.driver, "pointwise_conv data gradient", step * packs.by,
                  ThinData<T, Y, kOut, W>{dy.as<Y>(), data_of<C>(scale), w.as<C>(), dx.as<T>(),
                                          Sizes(dx.shape, w.shape), packs, rows, step, accum, whole});
      });
    });
  });
}

void thin_weights(const Room& room, ConstView x, ConstView scale, ConstView dy, View dw, Accum accum) {
  with_types(x.dtype, dy.dtype, [&](auto x_type, auto y_type) {
    using T = decltype(x_type);
    using Y = decltype(y_type);
    using C = Compute<T>;
    with_outputs(dw.shape.n, [&](auto outputs) {
      constexpr int kOut = decltype(outputs)::value;
      constexpr int kMostWidth = kPack<T> < kMostSums / kOut ? kPack<T> : kMostSums / kOut;
      with_width<kMostWidth>(aligned(x.data, scale.data), x.shape.c, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const Index rows = x.shape.rows(), inputs = x.shape.c;
        const Index runs = ceil_divide(rows, run_length(rows, inputs / W, 1, kMostRows));
        const Sizes sizes(x.shape, dw.shape);
        sum_columns<kOut, W>(
            *room.driver, room.memory, "pointwise_conv weight gradient", {1, runs, inputs},
            ThinProducts<T, Y, kOut>{x.as<T>(), data_of<C>(scale), dy.as<Y>(), sizes, rows, runs},
            StoreThin<C, kOut>{dw.as<C>(), sizes, accum});
      });
    });
  });
}

}  // namespace duet::cuda
