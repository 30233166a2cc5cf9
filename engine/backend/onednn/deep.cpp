#include "engine/backend/onednn/deep.h"

#include <algorithm>
#include <array>
#include <vector>

#include "engine/backend/onednn/vectors.h"
#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn::deep {
namespace {

constexpr bool kWide = kVector == 16;         // twice the lanes, and twice the registers
constexpr Index kOutputs = 16;                // channels of a tile
constexpr Index kParts = kOutputs / kVector;  // vectors of them
constexpr Index kBlock = kOutputs;            // channels that lie together in the padded copy
constexpr Index kVoxels = kWide ? 12 : 6;     // of a tile: 12 sums, weights, a factor
constexpr Index kGradients = kWide ? 16 : 6;  // channels of dy in a tile: 12 or 16 sums, inputs, a factor
constexpr Index kInputs = 8;                  // channels of a chunk: its weights stay in the first cache
constexpr Index kMostTaps = 27;
constexpr Index kMostVoxels = 2048;
constexpr Index kLeastGroup = 8 * kVoxels;  // voxels that a task packs weights for

Index volume(const Triple& t) { return t[0] * t[1] * t[2]; }

// A copy of a tensor with zeros around each sample, kBlock channels of all voxels after each other: what a
// tile reads lies close together.
class Padded {
 public:
  Padded(const std::shared_ptr<Allocator>& memory, ConstView x, const Triple& padding)
      : shape_{x.shape.n, x.shape.d + 2 * padding[0], x.shape.h + 2 * padding[1], x.shape.w + 2 * padding[2],
               x.shape.c},
        copy_(memory, static_cast<std::size_t>(shape_.elements()) * sizeof(float), "conv3d padded input") {
    const Shape& s = x.shape;
    auto* to = static_cast<float*>(copy_.data());
    std::fill_n(to, shape_.elements(), 0.0F);
    const float* from = x.as<float>();
    for (Index row = 0; row < s.n * s.d * s.h; ++row) {
      const Index h = row % s.h, d = row / s.h % s.d, n = row / (s.h * s.d);
      float* place = to + offset(n, d + padding[0], h + padding[1], padding[2]);
      for (Index w = 0; w < s.w; ++w, place += kBlock)
        for (Index c = 0; c < s.c; c += kBlock, from += kBlock)
          std::copy_n(from, kBlock, place + c * voxels());
    }
  }
  // Of a channel, in the first voxel.
  const float* channel(Index c) const {
    return static_cast<const float*>(copy_.data()) + c / kBlock * kBlock * voxels() + c % kBlock;
  }

  // Where the window of each voxel of `out` begins.
  std::vector<Index> origins(const Shape& out) const {
    std::vector<Index> places;
    places.reserve(static_cast<std::size_t>(out.n * out.d * out.h * out.w));
    for (Index n = 0; n < out.n; ++n)
      for (Index d = 0; d < out.d; ++d)
        for (Index h = 0; h < out.h; ++h)
          for (Index w = 0; w < out.w; ++w) places.push_back(offset(n, d, h, w));
    return places;
  }
  // Each tap's place from there, in the kernel's order.
  std::vector<Index> taps(const Triple& kernel) const {
    std::vector<Index> places;
    for (Index d = 0; d < kernel[0]; ++d)
      for (Index h = 0; h < kernel[1]; ++h)
        for (Index w = 0; w < kernel[2]; ++w) places.push_back(offset(0, d, h, w));
    return places;
  }

 private:
  Index voxels() const { return shape_.n * shape_.d * shape_.h * shape_.w; }
  Index offset(Index n, Index d, Index h, Index w) const {
    return (((n * shape_.d + d) * shape_.h + h) * shape_.w + w) * kBlock;
  }
  Shape shape_;
  Scratch copy_;
};

// Of all taps, kInputs channels of dy and kOutputs of dx.
using Chunk = std::array<float, kMostTaps * kInputs * kOutputs>;

// The data gradient as sums over taps: dx[i] = sum over k of dy[i + pad - k] w[k].
struct Work {
  const Padded& dy;
  std::vector<Index> origins, taps;  // taps in reverse
  ConstView w;
  View dx;
};

void pack(const Work& work, Index input, Index output, Chunk& chunk) {
  const auto taps = static_cast<Index>(work.taps.size());
  for (Index i = 0; i < kInputs; ++i) {
    const float* from = work.w.as<float>() + (input + i) * taps * work.dx.shape.c + output;
    for (Index tap = 0; tap < taps; ++tap)
      std::copy_n(from + tap * work.dx.shape.c, kOutputs, chunk.data() + (tap * kInputs + i) * kOutputs);
  }
}

// dx += the chunk's products, of kCount voxels from `voxel` on.
template <Index kCount>
void add_products(const Work& work, const Chunk& chunk, Index voxel, Index input, Index output) {
  const Index stride = work.dx.shape.c;
  const float* from[kCount];
  Floats sums[kCount][kParts];
  float* to = work.dx.as<float>() + voxel * stride + output;
#pragma GCC unroll 12
  for (Index v = 0; v < kCount; ++v) {
    from[v] = work.dy.channel(input) + work.origins[static_cast<std::size_t>(voxel + v)];
#pragma GCC unroll 2
    for (Index part = 0; part < kParts; ++part) sums[v][part] = load(to + v * stride + part * kVector);
  }
  const float* weights = chunk.data();
  for (const Index tap : work.taps) {
    for (Index i = 0; i < kInputs; ++i, weights += kOutputs) {
      Floats w[kParts];
#pragma GCC unroll 2
      for (Index part = 0; part < kParts; ++part) w[part] = load(weights + part * kVector);
#pragma GCC unroll 12
      for (Index v = 0; v < kCount; ++v) {
        const float factor = from[v][tap + i];
#pragma GCC unroll 2
        for (Index part = 0; part < kParts; ++part) sums[v][part] += factor * w[part];
      }
    }
  }
#pragma GCC unroll 12
  for (Index v = 0; v < kCount; ++v) {
#pragma GCC unroll 2
    for (Index part = 0; part < kParts; ++part) store(to + v * stride + part * kVector, sums[v][part]);
  }
}

// Of one tap, kCount channels of dy and kOutputs of x, summed over voxels.
struct Gradient {
  const std::vector<Index>&x_places, &dy_places;
  Index stride;  // of dw, from a channel of dy to the next
  Accum accum;

  template <Index kCount>
  void tile(const float* x, const float* const* dy, float* dw) const {
    Floats sums[kCount][kParts] = {};
    for (std::size_t v = 0; v < x_places.size(); ++v) {
      Floats in[kParts];
#pragma GCC unroll 2
      for (Index part = 0; part < kParts; ++part) in[part] = load(x + x_places[v] + part * kVector);
      const Index place = dy_places[v];
#pragma GCC unroll 16
      for (Index c = 0; c < kCount; ++c) {
        // A whole block of channels is one address: there are no registers for 16.
        const float factor = kCount == kBlock ? dy[0][place + c] : dy[c][place];
#pragma GCC unroll 2
        for (Index part = 0; part < kParts; ++part) sums[c][part] += factor * in[part];
      }
    }
#pragma GCC unroll 16
    for (Index c = 0; c < kCount; ++c) {
#pragma GCC unroll 2
      for (Index part = 0; part < kParts; ++part) {
        float* to = dw + c * stride + part * kVector;
        store(to, accum == Accum::add ? load(to) + sums[c][part] : sums[c][part]);
      }
    }
  }
};

}  // namespace

bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (spec.stride[axis] != 1 || spec.padding[axis] >= spec.kernel[axis]) return false;
  return volume(spec.kernel) <= kMostTaps && x.c % kOutputs == 0 && w.n % kOutputs == 0 &&
         x.n * x.d * x.h * x.w <= kMostVoxels;
}

// A task is a slice of dx's channels, at some of its voxels.
void data_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView dy,
                   ConstView w, View dx, Accum accum) {
  Triple padding{};
  for (std::size_t axis = 0; axis < 3; ++axis) padding[axis] = spec.kernel[axis] - 1 - spec.padding[axis];
  const Padded padded(memory, dy, padding);
  Work work{padded, padded.origins(dx.shape), padded.taps(spec.kernel), w, dx};
  std::ranges::reverse(work.taps);
  if (accum == Accum::write) std::fill_n(dx.as<float>(), dx.shape.elements(), 0.0F);

  const auto voxels = static_cast<Index>(work.origins.size());
  const Index slices = dx.shape.c / kOutputs, wanted = (max_threads() + slices - 1) / slices;
  const Index groups = std::clamp<Index>(voxels / kLeastGroup, 1, wanted);
  // Groups are of whole tiles: which voxels are the rest, compiled by itself, is no matter of threads.
  const Index tiles = voxels / kVoxels;
  parallel_for(slices * groups, [&](Index task) {
    const Index output = task / groups * kOutputs, group = task % groups;
    const Index begin = tiles * group / groups * kVoxels;
    const Index end = group + 1 < groups ? tiles * (group + 1) / groups * kVoxels : voxels;
    Chunk chunk;
    for (Index input = 0; input < dy.shape.c; input += kInputs) {
      pack(work, input, output, chunk);
      Index v = begin;
      for (; v + kVoxels <= end; v += kVoxels) add_products<kVoxels>(work, chunk, v, input, output);
      for (; v < end; ++v) add_products<1>(work, chunk, v, input, output);
    }
  });
}

void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum) {
  const Padded in(memory, x, spec.padding), out(memory, dy, {0, 0, 0});
  const std::vector<Index> origins = in.origins(dy.shape), places = out.origins(dy.shape),
                           taps = in.taps(spec.kernel);
  const Index ci = x.shape.c, co = dy.shape.c, count = volume(spec.kernel);
  const Gradient gradient{origins, places, count * ci, accum};
  parallel_for((co + kGradients - 1) / kGradients * count, [&](Index task) {
    const Index c = task / count * kGradients, tap = task % count;
    const float* channels[kGradients] = {};
    for (Index k = 0; k < kGradients && c + k < co; ++k) channels[k] = out.channel(c + k);
    for (Index i = 0; i < ci; i += kOutputs) {
      const float* from = in.channel(i) + taps[static_cast<std::size_t>(tap)];
      float* to = dw.as<float>() + (c * count + tap) * ci + i;
      switch (std::min(kGradients, co - c)) {
        case 2:
          gradient.tile<2>(from, channels, to);
          break;
        case 4:
          gradient.tile<4>(from, channels, to);
          break;
        default:
          gradient.tile<kGradients>(from, channels, to);
      }
    }
  });
}

}  // namespace duet::onednn::deep
