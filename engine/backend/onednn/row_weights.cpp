#include "engine/backend/onednn/row_weights.h"

#include <algorithm>

#include "engine/backend/onednn/task_sums.h"
#include "engine/backend/onednn/vectors.h"

namespace duet::onednn {
namespace {

constexpr Index kInputs = 8, kOutputs = 4;  // channels are multiples of these
constexpr Index kMostChannels = 64;
constexpr Index kLeastWidth = 8;  // below it a tile's sums go to memory too often
constexpr Index kRows = 8;        // of dy that a tile goes through before its sums go to memory

struct Problem {
  Conv3dSpec spec;
  Shape x, w, y;
  const float *in, *gradient;
};

// Of one tap (kd, kh) and one tile of channels: the sums of all three taps along W over rows [begin, end) of
// dy's plane (n, d). Nothing of x lies outside H here: the caller leaves such rows out.
struct Tile {
  Index ci, co, kd, kh;
};

// A tile is |V| input and kCount output channels: three sums each, three inputs and a gradient fill the
// registers.
template <class V, Index kCount>
void add_rows(const Problem& p, const Tile& tile, Index n, Index d, Index begin, Index end, float* sums) {
  const Index width = p.x.w, ci = p.x.c, co = p.y.c;
  const Index xd = d - p.spec.padding[0] + tile.kd;
  V s[kCount][3] = {};
  for (Index h = begin; h < end; ++h) {
    const Index xh = h - p.spec.padding[1] + tile.kh;
    const float* x = p.in + (((n * p.x.d + xd) * p.x.h + xh) * width) * ci + tile.ci;
    const float* dy = p.gradient + (((n * p.y.d + d) * p.y.h + h) * width) * co + tile.co;
    V left{}, middle = load_as<V>(x);
    for (Index w = 0; w + 1 < width; ++w) {
      const V right = load_as<V>(x + (w + 1) * ci);
#pragma GCC unroll 8
      for (Index c = 0; c < kCount; ++c) {
        const float g = dy[w * co + c];
        s[c][0] += g * left;
        s[c][1] += g * middle;
        s[c][2] += g * right;
      }
      left = middle;
      middle = right;
    }
#pragma GCC unroll 8
    for (Index c = 0; c < kCount; ++c) {
      const float g = dy[(width - 1) * co + c];
      s[c][0] += g * left;
      s[c][1] += g * middle;
    }
  }
#pragma GCC unroll 8
  for (Index c = 0; c < kCount; ++c) {
#pragma GCC unroll 3
    for (Index kw = 0; kw < 3; ++kw) {
      const Index at = ((((tile.co + c) * p.w.d + tile.kd) * p.w.h + tile.kh) * 3 + kw) * ci + tile.ci;
      store(sums + at, load_as<V>(sums + at) + s[c][kw]);
    }
  }
}

// With AVX-512 there are 32 registers, else 16.
template <Index kCount>
void add_tile(const Problem& p, Index width, const Tile& tile, Index n, Index d, Index begin, Index end,
              float* sums) {
  if (width == kVector) return add_rows<Floats, kCount>(p, tile, n, d, begin, end, sums);
  add_rows<Eight, kCount>(p, tile, n, d, begin, end, sums);
}

// Rows [begin, end) of dy's plane, as many as stay in the cache while every tile goes through them.
void add_block(const Problem& p, Index n, Index d, Index begin, Index end, float* sums) {
  for (Index kd = 0; kd < p.w.d; ++kd) {
    const Index xd = d - p.spec.padding[0] + kd;
    if (xd < 0 || xd >= p.x.d) continue;
    for (Index kh = 0; kh < p.w.h; ++kh) {
      const Index first = std::max(begin, p.spec.padding[1] - kh);
      const Index last = std::min(end, p.x.h + p.spec.padding[1] - kh);
      if (first >= last) continue;
      const Index outputs = kVector == 16 && p.y.c % 8 == 0 ? 8 : kOutputs;
      const Index inputs = p.x.c % kVector == 0 ? kVector : kInputs;
      for (Index co = 0; co < p.y.c; co += outputs) {
        for (Index ci = 0; ci < p.x.c; ci += inputs) {
          const Tile tile{ci, co, kd, kh};
          if (outputs == 8) {
            add_tile<8>(p, inputs, tile, n, d, first, last, sums);
          } else {
            add_tile<kOutputs>(p, inputs, tile, n, d, first, last, sums);
          }
        }
      }
    }
  }
}

}  // namespace

bool fits_row_weights(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  return spec.kernel[2] == 3 && spec.padding[2] == 1 && spec.stride == Triple{1, 1, 1} && w.w == 3 &&
         x.w >= kLeastWidth && x.c % kInputs == 0 && w.n % kOutputs == 0 && x.c <= kMostChannels &&
         w.n <= kMostChannels;
}

void row_weights(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x, ConstView dy,
                 View dw, Accum accum) {
  const Problem p{spec, x.shape, dw.shape, dy.shape, x.as<float>(), dy.as<float>()};
  const Index size = dw.shape.elements();
  const TaskSums sums(memory, p.y.n * p.y.d, size, [&](Index plane, float* to) {
    for (Index h = 0; h < p.y.h; h += kRows)
      add_block(p, plane / p.y.d, plane % p.y.d, h, std::min(p.y.h, h + kRows), to);
  });
  auto* out = dw.as<float>();
  parallel_chunks(size, 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) out[i] = sums.total(i, accum == Accum::add ? out[i] : 0.0F);
  });
}

}  // namespace duet::onednn
