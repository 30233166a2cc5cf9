// Forward and data gradient. An item makes a pack of channels at kPlaces places of a line: weights are read
// once for all of them.
#include <limits>
#include <type_traits>

#include "engine/backend/cuda/direct.h"
#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/runs.h"
#include "engine/kernels/dispatch.h"
#include "engine/memory/scratch.h"

namespace duet::cuda {
namespace {

constexpr int kPlaces = 4;

// Weights by tap: for channel q of what is read and channel c of what is made, at tap * tap_step + q *
// channel_step + c.
template <class C>
struct TapWeights {
  const C* w;
  Index tap_step, channel_step;
};

// What a pass goes over.
struct Places {
  Axes axes;
  Shape from, to;
  int columns;     // places along a line that items start at; an item's places are this far apart
  Unflatten item;  // of (n, d, h, column, pack)
  Places(const Conv3dSpec& spec, const Shape& from, const Shape& to, Index width)
      : axes(spec, from),
        from(from),
        to(to),
        columns(static_cast<int>(ceil_divide(to.w, kPlaces))),
        item(items(width)) {}
  Shape items(Index width) const { return {to.n, to.d, to.h, columns, to.c / width}; }
};

// out = or += bias + sum over taps and channels of in times weights: the forward pass, or the data gradient.
template <class T, int W, bool kForward>
struct Gather {
  using C = Compute<T>;
  static constexpr int kBlocks = W == 8 ? 2 : 3;
  const T* in;
  TapWeights<C> weights;
  const C* bias;
  T* out;
  Places places;
  Accum accum;

  DUET_HOST_DEVICE static int source(const Axis& axis, int place, int tap) {
    return kForward ? axis.read_by(place, tap) : axis.reader_of(place, tap);
  }

  DUET_HOST_DEVICE void operator()(Index i) const {
    const Position at = places.item(i);
    const Index channel = at.c * W;
    Pack<C, W> sums[kPlaces];
    for (int r = 0; r < kPlaces; ++r) {
      for (int j = 0; j < W; ++j) sums[r].v[j] = bias ? bias[channel + j] : C(0);
    }
    const Axes& axes = places.axes;
    for (int kd = 0; kd < axes.d.kernel; ++kd) {
      const int d = source(axes.d, static_cast<int>(at.d), kd);
      if (d < 0) continue;
      for (int kh = 0; kh < axes.h.kernel; ++kh) {
        const int h = source(axes.h, static_cast<int>(at.h), kh);
        if (h < 0) continue;
        const Index line = ((at.n * places.from.d + d) * places.from.h + h) * places.from.w;
        const Index tap = (static_cast<Index>(kd) * axes.h.kernel + kh) * axes.w.kernel;
        add_line(in + line * places.from.c, tap, static_cast<int>(at.w), channel, sums);
      }
    }
    const Index row = ((at.n * places.to.d + at.d) * places.to.h + at.h) * places.to.w + at.w;
    for (int r = 0; r < kPlaces; ++r) {
      const Index step = static_cast<Index>(r) * places.columns;
      if (at.w + step < places.to.w) store<W>(out, (row + step) * places.to.c + channel, sums[r], accum);
    }
  }

  // Adds what the taps of one (kd, kh) read in a line of `in`.
  DUET_HOST_DEVICE void add_line(const T* line, Index tap, int column, Index channel,
                                 Pack<C, W>* sums) const {
    const int channels = static_cast<int>(places.from.c);
    for (int kw = 0; kw < places.axes.w.kernel; ++kw) {
      int rows[kPlaces];  // elements from the line's first on; -1: none
      bool any = false;
      for (int r = 0; r < kPlaces; ++r) {
        const int w = source(places.axes.w, column + r * places.columns, kw);
        rows[r] = w < 0 ? -1 : w * channels;
        any = any || w >= 0;
      }
      if (!any) continue;
      const C* from = weights.w + (tap + kw) * weights.tap_step + channel;
      for (int q = 0; q < channels; ++q, from += weights.channel_step) {
        const Pack<C, W> factors = load_run<W>(from, 0);
        for (int r = 0; r < kPlaces; ++r) {
          if (rows[r] < 0) continue;  // not 0 times a weight, which may be infinite
          const C value = static_cast<C>(line[rows[r] + q]);
          for (int j = 0; j < W; ++j) sums[r].v[j] += value * factors.v[j];
        }
      }
    }
  }
};

// (Co, taps, Ci) to (taps, Ci, Co), for output channels to be read in packs.
template <class C>
struct Turn {
  const C* w;
  C* to;
  Divider outputs, inputs;
  Index taps;
  DUET_HOST_DEVICE void operator()(Index i) const {
    Index tap = i;
    const Index co = outputs.take(tap), ci = inputs.take(tap);
    to[i] = w[(co * taps + tap) * inputs.by + ci];
  }
};

template <class T, bool kForward>
void gather(const Room& room, const Problem& p, ConstView in, TapWeights<Compute<T>> weights,
            const Compute<T>* bias, View out, Accum accum) {
  constexpr int W = kPack<T>;
  const char* name = kForward ? "conv3d forward" : "conv3d data gradient";
  DUET_CHECK(in.shape.w * in.shape.c <= std::numeric_limits<int>::max(), name, ": a line of ", in.shape,
             " has too many elements");
  const auto run = [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    const Places places(p.spec, in.shape, out.shape, kWidth);
    for_items(*room.driver, name, places.items(kWidth).elements(),
              Gather<T, kWidth, kForward>{in.as<T>(), weights, bias, out.as<T>(), places, accum});
  };
  if (out.shape.c % W == 0 && aligned(out.data, weights.w)) {
    run(std::integral_constant<int, W>{});
  } else {
    run(std::integral_constant<int, 1>{});
  }
}

}  // namespace

void direct_forward(const Room& room, const Problem& p, ConstView x, ConstView w, ConstView b, View y,
                    Accum accum) {
  with_storage("conv3d", x.dtype, [&](auto type) {
    using T = decltype(type);
    using C = Compute<T>;
    const C *plain = w.as<C>(), *bias = b ? b.as<C>() : nullptr;
    const Index ci = p.w.c, co = p.w.n, taps = p.w.voxels();
    const bool turns = co > 1;  // (1, taps, Ci) is (taps, Ci, 1)
    const Scratch turned(room.memory, turns ? static_cast<std::size_t>(p.w.elements()) * sizeof(C) : 0,
                         "conv3d weights by tap");
    if (turns) {
      for_items(*room.driver, "conv3d weights by tap", p.w.elements(),
                Turn<C>{plain, static_cast<C*>(turned.data()), Divider{co}, Divider{ci}, taps});
    }
    const C* weights = turns ? static_cast<const C*>(turned.data()) : plain;
    gather<T, true>(room, p, x, TapWeights<C>{weights, ci * co, co}, bias, y, accum);
  });
}

void direct_data(const Room& room, const Problem& p, ConstView dy, ConstView w, View dx, Accum accum) {
  with_storage("conv3d", dy.dtype, [&](auto type) {
    using T = decltype(type);
    using C = Compute<T>;
    const Index ci = p.w.c, taps = p.w.voxels();
    gather<T, false>(room, p, dy, TapWeights<C>{w.as<C>(), ci, taps * ci}, nullptr, dx, accum);
  });
}

}  // namespace duet::cuda
