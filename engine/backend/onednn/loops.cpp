#include "engine/backend/onednn/loops.h"

#include <algorithm>
#include <vector>

#include "engine/backend/onednn/types.h"
#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn {
namespace {

constexpr Index kGrain = Index{1} << 16;  // elements of a chunk
constexpr Index kLanes = 128;             // a tile of whole rows at least this wide vectorises whatever C is
constexpr Index kBlock = 64;              // tiles that are summed in float before they go into doubles

Index rows_of_a_tile(Index channels) { return std::max<Index>(1, kLanes / channels); }

// sums[c] = sum over rows of dy[r, c]; tile is room for a tile.
template <class T>
void sum_chunk(const T* dy, Index rows, Index channels, float* tile, double* sums) {
  const Index step = rows_of_a_tile(channels), width = step * channels;
  std::fill_n(sums, channels, 0.0);
  Index row = 0;
  while (row + step <= rows) {
    std::fill_n(tile, width, 0.0F);
    for (Index i = 0; i < kBlock && row + step <= rows; ++i, row += step) {
      const T* at = dy + row * channels;
      for (Index k = 0; k < width; ++k) tile[k] += at[k];
    }
    for (Index r = 0; r < step; ++r) {
      for (Index c = 0; c < channels; ++c) sums[c] += tile[r * channels + c];
    }
  }
  for (; row < rows; ++row) {
    for (Index c = 0; c < channels; ++c) sums[c] += static_cast<float>(dy[row * channels + c]);
  }
}

}  // namespace

void add_onto(ConstView x, View y) {
  with_float_or_bf16("add_onto", y.dtype, [&](auto type) {
    using T = decltype(type);
    const T* in = x.as<T>();
    T* out = y.as<T>();
    parallel_chunks(y.shape.elements(), kGrain, [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) out[i] = T(static_cast<float>(out[i]) + static_cast<float>(in[i]));
    });
  });
}

void widen(ConstView x, float* to) {
  const bf16* from = x.as<bf16>();
  parallel_chunks(x.shape.elements(), kGrain, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = from[i];
  });
}

void narrow(ConstView x, View y, Accum accum) {
  const float* from = x.as<float>();
  bf16* to = y.as<bf16>();
  parallel_chunks(y.shape.elements(), kGrain, [=](Index begin, Index end) {
    if (accum == Accum::add) {
      for (Index i = begin; i < end; ++i) to[i] = bf16(static_cast<float>(to[i]) + from[i]);
    } else {
      for (Index i = begin; i < end; ++i) to[i] = bf16(from[i]);
    }
  });
}

void add_bias(ConstView b, View y) {
  const float* bias = b.as<float>();
  const Index channels = y.shape.c, step = rows_of_a_tile(channels);
  std::vector<float> tile(static_cast<std::size_t>(step * channels));
  for (std::size_t i = 0; i < tile.size(); ++i) tile[i] = bias[i % static_cast<std::size_t>(channels)];
  const Index width = static_cast<Index>(tile.size());
  const Index grain = std::max<Index>(1, kGrain / width) * width;  // whole tiles
  with_float_or_bf16("add_bias", y.dtype, [&](auto type) {
    using T = decltype(type);
    T* out = y.as<T>();
    parallel_chunks(y.shape.elements(), grain, [&, out](Index begin, Index end) {
      for (; begin < end; begin += width) {
        const Index count = std::min(width, end - begin);
        const float* offsets = tile.data();
        for (Index k = 0; k < count; ++k) out[begin + k] = T(static_cast<float>(out[begin + k]) + offsets[k]);
      }
    });
  });
}

void sum_rows(const std::shared_ptr<Allocator>& memory, ConstView dy, View db, Accum accum) {
  float* out = db.as<float>();
  const Index channels = dy.shape.c, rows = dy.shape.rows();
  const Index grain = std::max<Index>(1, kGrain / channels);
  const Index chunks = (rows + grain - 1) / grain;
  const Index width = rows_of_a_tile(channels) * channels;
  const Scratch sums(memory, static_cast<std::size_t>(chunks * channels) * sizeof(double), "bias gradient");
  const Scratch tiles(memory, static_cast<std::size_t>(chunks * width) * sizeof(float), "bias gradient");
  auto* sum = static_cast<double*>(sums.data());
  auto* tile = static_cast<float*>(tiles.data());
  with_float_or_bf16("bias_backward", dy.dtype, [&](auto type) {
    const auto* in = dy.as<decltype(type)>();
    parallel_chunks(rows, grain, [&](Index begin, Index end) {
      const Index chunk = begin / grain;
      sum_chunk(in + begin * channels, end - begin, channels, tile + chunk * width, sum + chunk * channels);
    });
  });
  for (Index c = 0; c < channels; ++c) {
    double total = 0;
    for (Index chunk = 0; chunk < chunks; ++chunk) total += sum[chunk * channels + c];
    out[c] = static_cast<float>(accum == Accum::add ? out[c] + total : total);
  }
}

void flip_weights(ConstView w, float* to) {
  const float* from = w.as<float>();
  const Index co = w.shape.n, ci = w.shape.c, taps = w.shape.voxels();
  parallel_chunks(ci, 8, [&](Index begin, Index end) {
    for (Index tap = 0; tap < taps; ++tap) {  // reversing every axis reverses the flat order of the taps
      for (Index o = 0; o < co; ++o) {
        const float* row = from + (o * taps + tap) * ci;
        for (Index i = begin; i < end; ++i) to[(i * taps + taps - 1 - tap) * co + o] = row[i];
      }
    }
  });
}

}  // namespace duet::onednn
