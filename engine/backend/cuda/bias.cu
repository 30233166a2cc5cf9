#include "engine/backend/cuda/bias.h"
#include "engine/backend/cuda/channels.h"
#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/runs.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

constexpr Index kMostRows = 16;  // added in float

template <class T>
struct AddBias {
  const Compute<T>* b;
  T* y;
  template <int W>
  DUET_HOST_DEVICE void at(Index first, Index, Index channel) const {
    auto values = load<W>(y, first);
    const auto bias = load_run<W>(b, channel);
    for (int i = 0; i < W; ++i) values.v[i] += bias.v[i];
    store<W>(y, first, values, Accum::write);
  }
};

// A row of the sum is every `runs`-th row of dy, so that neighbouring threads read neighbouring rows.
template <class T>
struct RowSums {
  static constexpr int kBlocks = sizeof(T) == sizeof(double) ? 4 : 2;
  const T* dy;
  Index channels, rows, runs;
  template <int W>
  DUET_HOST_DEVICE void add(Index, Index run, Index channel, double* sums) const {
    Compute<T> parts[W] = {};
    constexpr int kFlight = 8;  // loads that are on their way at once, as in thin.cu
    const Index step = runs * channels;
    const T* from = dy + run * channels + channel;
    Index row = run;
    for (; row + (kFlight - 1) * runs < rows; row += kFlight * runs, from += kFlight * step) {
      Pack<T, W> values[kFlight];
      DUET_UNROLL for (int j = 0; j < kFlight; ++j) values[j] =
          *reinterpret_cast<const Pack<T, W>*>(from + j * step);
      DUET_UNROLL for (int j = 0; j < kFlight; ++j) {
        for (int i = 0; i < W; ++i) parts[i] += static_cast<Compute<T>>(values[j].v[i]);
      }
    }
    for (; row < rows; row += runs, from += step) {
      const auto values = load<W>(from, 0);
      for (int i = 0; i < W; ++i) parts[i] += values.v[i];
    }
    for (int i = 0; i < W; ++i) sums[i] += static_cast<double>(parts[i]);
  }
};

template <int W, class T>
void sum_in_packs(const Room& room, ConstView dy, View db, Accum accum) {
  using C = Compute<T>;
  const Index rows = dy.shape.rows(), channels = dy.shape.c;
  const Index runs = ceil_divide(rows, run_length(rows, channels / W, 1, kMostRows));
  sum_columns<1, W>(*room.driver, room.memory, "bias_backward", {1, runs, channels},
                    RowSums<T>{dy.as<T>(), channels, rows, runs}, StoreColumn<C>{db.as<C>(), accum});
}

}  // namespace

void add_bias(const Room& room, ConstView b, View y) {
  with_storage("conv3d bias", y.dtype, [&](auto type) {
    using T = decltype(type);
    for_channel_packs<T>(*room.driver, "conv3d bias", y.shape, aligned(b.data, y.data),
                         AddBias<T>{b.as<Compute<T>>(), y.as<T>()});
  });
}

void sum_bias(const Room& room, ConstView dy, View db, Accum accum) {
  DUET_CHECK(db, "bias_backward: db is empty");
  DUET_CHECK(db.shape == Shape::vector(dy.shape.c), "bias_backward: bias ", db.shape, " of output ",
             dy.shape);
  with_storage("bias_backward", dy.dtype, [&](auto type) {
    using T = decltype(type);
    if (aligned(dy.data) && dy.shape.c % kPack<T> == 0) {
      sum_in_packs<kPack<T>, T>(room, dy, db, accum);
    } else {
      sum_in_packs<1, T>(room, dy, db, accum);
    }
  });
}

}  // namespace duet::cuda
