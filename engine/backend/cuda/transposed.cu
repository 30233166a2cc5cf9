#include <type_traits>

#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/matrices.h"
#include "engine/backend/cuda/runs.h"
#include "engine/backend/cuda/transposed.h"
#include "engine/kernels/dispatch.h"
#include "engine/memory/scratch.h"

namespace duet::cuda {
namespace {

constexpr Index kMostScratch = Index{64} << 20;  // bytes

// Where the packs of a block of lines of x, (lines, W, taps, Co), lie in y. Items go by line, tap along D and
// H, and then in y's order, so that whole lines of y are gone over; one item has all taps along W, which lie
// `channels` elements apart on both sides, as taking places apart costs more than moving a pack.
struct Tiles {
  Divider packs, width, kernel_h, kernel_d;  // width, height, depth: of x
  Divider height, depth;
  Index taps_w, channels;  // channels of y
  Index first_line;

  Tiles(const Shape& x, const Shape& w, Index pack, Index first_line)
      : packs{w.c / pack},
        width{x.w},
        kernel_h{w.h},
        kernel_d{w.d},
        height{x.h},
        depth{x.d},
        taps_w(w.w),
        channels(w.c),
        first_line(first_line) {}

  struct At {
    Index folded, y, channel;  // element of the block, of y, at the first tap along W
  };
  template <int W>
  DUET_HOST_DEVICE At find(Index i) const {
    Index line = i;
    const Index channel = packs.take(line) * W, w = width.take(line);
    const Index kh = kernel_h.take(line), kd = kernel_d.take(line);
    Index n = first_line + line;
    const Index h = height.take(n), d = depth.take(n);
    const Index taps = kernel_d.by * kernel_h.by * taps_w, tap = (kd * kernel_h.by + kh) * taps_w;
    const Index yd = (n * depth.by + d) * kernel_d.by + kd;
    const Index yh = (yd * height.by + h) * kernel_h.by + kh;
    return {((line * width.by + w) * taps + tap) * channels + channel,
            (yh * width.by + w) * taps_w * channels + channel, channel};
  }
  Index items(Index lines) const { return lines * width.by * kernel_d.by * kernel_h.by * packs.by; }
};

// write(offset, read(offset)) for each tap along W; with two of them, both are read before either is written.
template <class P, class Read, class Write>
DUET_HOST_DEVICE inline void move_taps(Index taps, Index channels, const Read& read, const Write& write) {
  DUET_UNROLL_BY(1)
  for (Index tap = 0; tap < taps; tap += 2) {
    const Index offset = tap * channels;
    const bool two = tap + 1 < taps;
    const P first = read(offset), second = two ? read(offset + channels) : first;
    write(offset, first);
    if (two) write(offset + channels, second);
  }
}

template <class T, int W>
struct Unfold {
  Tiles tiles;
  const T* folded;
  const Compute<T>* bias;
  T* y;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index i) const {
    const Tiles::At at = tiles.find<W>(i);
    Pack<Compute<T>, W> more{};
    if (bias) more = load_run<W>(bias, at.channel);
    move_taps<Pack<Compute<T>, W>>(
        tiles.taps_w, tiles.channels, [&](Index offset) { return load<W>(folded, at.folded + offset); },
        [&](Index offset, Pack<Compute<T>, W> values) {
          for (int j = 0; j < W; ++j) values.v[j] += more.v[j];
          store<W>(y, at.y + offset, values, accum);
        });
  }
};

template <class T, int W>
struct Fold {
  Tiles tiles;
  const T* y;
  T* folded;
  DUET_HOST_DEVICE void operator()(Index i) const {
    using P = Pack<T, W>;
    const Tiles::At at = tiles.find<W>(i);
    move_taps<P>(
        tiles.taps_w, tiles.channels,
        [&](Index offset) { return *reinterpret_cast<const P*>(y + at.y + offset); },
        [&](Index offset, P values) { *reinterpret_cast<P*>(folded + at.folded + offset) = values; });
  }
};

// A block of lines of x: `rows` from `first` on, with scratch (rows, taps Co).
struct Block {
  Index first_line, lines;
  Index first, rows;
};

// Calls body(Block, scratch) over the lines of x.
template <class Body>
void for_blocks(const Room& room, const Shape& x, const Shape& w, DType type, const Body& body) {
  const Index lines = x.n * x.d * x.h;
  const Index bytes = x.w * w.voxels() * w.c * static_cast<Index>(size_of(type));
  const Index most = std::max<Index>(1, kMostScratch / bytes);
  const Index block = ceil_divide(lines, ceil_divide(lines, most));
  const Scratch scratch(room.memory, static_cast<std::size_t>(block * bytes), "conv_transpose3d");
  for (Index line = 0; line < lines; line += block) {
    const Index count = std::min(block, lines - line);
    body(Block{line, count, line * x.w, count * x.w}, scratch.data());
  }
}

// Calls f(T{}, W) with packs of 128 bits where y's channels allow them.
template <class F>
void with_packs(const ConstView& y, const void* bias, const F& f) {
  with_storage("conv_transpose3d", y.dtype, [&](auto type) {
    constexpr int W = kPack<decltype(type)>;
    if (aligned(y.data, bias) && y.shape.c % W == 0) {
      f(type, std::integral_constant<int, W>{});
    } else {
      f(type, std::integral_constant<int, 1>{});
    }
  });
}

void unfold(const Room& room, const Shape& x, const Shape& w, const Block& block, const void* folded,
            ConstView b, View y, Accum accum) {
  with_packs(y, b.data, [&](auto type, auto width) {
    using T = decltype(type);
    constexpr int W = decltype(width)::value;
    const auto* bias = b ? b.as<Compute<T>>() : nullptr;
    const Tiles tiles(x, w, W, block.first_line);
    for_items(*room.driver, "conv_transpose3d to y", tiles.items(block.lines),
              Unfold<T, W>{tiles, static_cast<const T*>(folded), bias, y.as<T>(), accum});
  });
}

void fold(const Room& room, const Shape& x, const Shape& w, const Block& block, ConstView y, void* folded) {
  with_packs(y, nullptr, [&](auto type, auto width) {
    using T = decltype(type);
    constexpr int W = decltype(width)::value;
    const Tiles tiles(x, w, W, block.first_line);
    for_items(*room.driver, "conv_transpose3d from dy", tiles.items(block.lines),
              Fold<T, W>{tiles, y.as<T>(), static_cast<T*>(folded)});
  });
}

}  // namespace

bool tiles(const Conv3dSpec& spec) { return spec.kernel == spec.stride && spec.padding == Triple{0, 0, 0}; }

void tiled_forward(const Room& room, ConstView x, ConstView w, ConstView b, View y, Accum accum) {
  for_blocks(room, x.shape, w.shape, x.dtype, [&](const Block& block, void* scratch) {
    GemmCall call{};
    call.m = block.rows;
    call.n = w.shape.voxels() * w.shape.c;
    call.k = x.shape.c;
    call.inputs = call.output = x.dtype;
    call.a = place(x, block.first * x.shape.c);
    call.b = w.data;
    call.c = scratch;
    multiply(room, call);
    unfold(room, x.shape, w.shape, block, scratch, b, y, accum);
  });
}

void tiled_data(const Room& room, ConstView dy, ConstView w, View dx, Accum accum) {
  for_blocks(room, dx.shape, w.shape, dy.dtype, [&](const Block& block, void* scratch) {
    fold(room, dx.shape, w.shape, block, dy, scratch);
    GemmCall call{};
    call.m = block.rows;
    call.n = dx.shape.c;
    call.k = w.shape.voxels() * w.shape.c;
    call.transpose_b = true;
    call.inputs = call.output = dy.dtype;
    call.a = scratch;
    call.b = w.data;
    call.c = place(dx, block.first * dx.shape.c);
    call.beta = accum == Accum::add ? 1.0 : 0.0;
    multiply(room, call);
  });
}

void tiled_weights(const Room& room, ConstView x, ConstView dy, View dw, Accum accum) {
  for_blocks(room, x.shape, dw.shape, dy.dtype, [&](const Block& block, void* scratch) {
    fold(room, x.shape, dw.shape, block, dy, scratch);
    GemmCall call{};
    call.m = x.shape.c;
    call.n = dw.shape.voxels() * dw.shape.c;
    call.k = block.rows;
    call.transpose_a = true;
    call.inputs = x.dtype;
    call.output = dw.dtype;
    call.a = place(x, block.first * x.shape.c);
    call.b = scratch;
    call.c = dw.data;
    call.beta = accum == Accum::add || block.first > 0 ? 1.0 : 0.0;
    multiply(room, call);
  });
}

}  // namespace duet::cuda
