// The weight gradient. A thread keeps sums for a pack of output channels at kTaps taps along w and one input
// channel, over runs of places; sum_columns adds runs and threads up.
#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/direct.h"
#include "engine/backend/cuda/runs.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

constexpr int kTaps = 3;          // 24 sums with packs of 8
constexpr int kMostInFloat = 64;  // places
constexpr std::size_t kMostScratch = std::size_t{64} << 20;

// Columns are (kd, kh, group of kTaps taps along w, ci, co).
struct TapColumns {
  Divider outputs, inputs, groups, heights;
  Index depths, widths;  // of the kernel
  explicit TapColumns(const Shape& w)
      : outputs{w.n}, inputs{w.c}, groups{ceil_divide(w.w, kTaps)}, heights{w.h}, depths(w.d), widths(w.w) {}
  Index columns() const { return depths * heights.by * groups.by * inputs.by * outputs.by; }

  struct At {
    Index co, ci;
    int kd, kh, kw;  // kw: the first tap of the group
  };
  DUET_HOST_DEVICE At operator()(Index column) const {
    At at{};
    at.co = outputs.take(column);
    at.ci = inputs.take(column);
    at.kw = static_cast<int>(groups.take(column)) * kTaps;
    at.kh = static_cast<int>(heights.take(column));
    at.kd = static_cast<int>(column);
    return at;
  }
};

// A position, in few registers.
struct Place {
  Index n;
  int d, h, w;
  DUET_HOST_DEVICE explicit Place(const Position& at)
      : n(at.n), d(static_cast<int>(at.d)), h(static_cast<int>(at.h)), w(static_cast<int>(at.w)) {}
};

// A row of the sum is a run of places of dy.
template <class T>
struct WindowProducts {
  using C = Compute<T>;
  static constexpr int kBlocks = sizeof(C) == sizeof(double) ? 3 : 2;
  const T *x, *dy;
  Shape from, to;  // of x and dy
  Axes axes;
  TapColumns columns;
  Unflatten places;  // of dy: (n, d, h, w, 1)
  Index rows, length;

  template <int W>
  DUET_HOST_DEVICE void add(Index, Index run, Index column, double* sums) const {
    const TapColumns::At tap = columns(column);
    Index row = run * length;
    const Index end = row + length < rows ? row + length : rows;
    Place at(places(row));
    while (row < end) {  // along a line of dy, which reads one of x
      const Index left = end - row;
      int count = kMostInFloat;
      count = to.w - at.w < count ? static_cast<int>(to.w) - at.w : count;
      count = left < count ? static_cast<int>(left) : count;
      const int d = axes.d.read_by(at.d, tap.kd), h = axes.h.read_by(at.h, tap.kh);
      if (d >= 0 && h >= 0) {
        const Index line = ((at.n * from.d + d) * from.h + h) * from.w;
        add_line<W>(x + line * from.c + tap.ci, dy + row * to.c + tap.co, at.w, count, tap.kw, sums);
      }
      row += count;
      step(at, count);
    }
  }

  template <int W>
  DUET_HOST_DEVICE void add_line(const T* line, const T* gradient, int place, int count, int kw,
                                 double* sums) const {
    C parts[kTaps * W] = {};
    for (int i = 0; i < count; ++i, gradient += to.c) {
      const auto g = load<W>(gradient, 0);
      for (int k = 0; k < kTaps; ++k) {  // those beyond the kernel are not stored
        const int w = axes.w.read_by(place + i, kw + k);
        if (w < 0) continue;
        const C value = static_cast<C>(line[w * from.c]);
        for (int j = 0; j < W; ++j) parts[k * W + j] += value * g.v[j];
      }
    }
    for (int k = 0; k < kTaps * W; ++k) sums[k] += static_cast<double>(parts[k]);
  }

  DUET_HOST_DEVICE void step(Place& at, int count) const {
    at.w += count;
    if (at.w < to.w) return;
    at.w = 0;
    if (++at.h < to.h) return;
    at.h = 0;
    if (++at.d < to.d) return;
    at.d = 0;
    ++at.n;
  }
};

template <class C>
struct StoreTaps {
  C* dw;  // (Co, kD, kH, kW, Ci)
  TapColumns columns;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index, Index column, const double* sums) const {
    const TapColumns::At tap = columns(column);
    const Index line = (tap.co * columns.depths + tap.kd) * columns.heights.by + tap.kh;
    for (int k = 0; k < kTaps && tap.kw + k < columns.widths; ++k) {
      C& to = dw[(line * columns.widths + tap.kw + k) * columns.inputs.by + tap.ci];
      to = static_cast<C>(accum == Accum::add ? static_cast<double>(to) + sums[k] : sums[k]);
    }
  }
};

// Places of a run: enough for the partial sums of all chunks to stay below kMostScratch.
Index places_of_run(Index rows, Index columns, Index packs) {
  const Index bytes = columns * kTaps * static_cast<Index>(sizeof(double));
  const Index chunks = std::max<Index>(1, static_cast<Index>(kMostScratch) / bytes);
  const Index least = column_geometry(1, 1, packs, 1).rows_per_chunk;
  return std::max(run_length(rows, packs, 8, kMostInFloat), ceil_divide(rows, least * chunks));
}

template <int W, class T>
void sum_windows(const Room& room, const Problem& p, ConstView x, ConstView dy, View dw, Accum accum) {
  using C = Compute<T>;
  const TapColumns columns(p.w);
  const Index rows = p.y.rows(), length = places_of_run(rows, columns.columns(), columns.columns() / W);
  const WindowProducts<T> products{
      x.as<T>(), dy.as<T>(), p.x, p.y, Axes(p.spec, p.x), columns, Unflatten(p.y.with_channels(1)),
      rows,      length};
  sum_columns<kTaps, W>(*room.driver, room.memory, "conv3d weight gradient",
                        {1, ceil_divide(rows, length), columns.columns()}, products,
                        StoreTaps<C>{dw.as<C>(), columns, accum});
}

}  // namespace

void direct_weights(const Room& room, const Problem& p, ConstView x, ConstView dy, View dw, Accum accum) {
  with_storage("conv3d", x.dtype, [&](auto type) {
    using T = decltype(type);
    if (p.y.c % kPack<T> == 0 && aligned(dy.data)) {
      sum_windows<kPack<T>, T>(room, p, x, dy, dw, accum);
    } else {
      sum_windows<1, T>(room, p, x, dy, dw, accum);
    }
  });
}

}  // namespace duet::cuda
