#include "engine/backend/ref/dropout.h"

#include <cmath>

#include "engine/backend/ref/chunks.h"
#include "engine/backend/ref/dispatch.h"
#include "engine/backend/ref/scratch.h"
#include "engine/kernels/functors.h"

namespace duet::ref {
namespace {

// Where the draws of sample n of x come from.
struct Draw {
  PhiloxKey key;
  std::uint32_t sample;
};

Draw draw_of(const DropoutSpec& spec, Index samples, Index n) {
  const Index batch = spec.batch == 0 ? samples : spec.batch;
  Draw draw{spec.key, static_cast<std::uint32_t>(spec.first_sample + n % batch)};
  draw.key.pass += static_cast<std::uint32_t>(n / batch);
  return draw;
}

// The draws of kBlocks blocks, four each, in order.
template <Index kBlocks>
void draw_blocks(const Draw& draw, std::uint64_t first, std::uint32_t* bits) {
#pragma omp simd
  for (Index b = 0; b < kBlocks; ++b) {
    const PhiloxBlock block = draw_block(draw.key, draw.sample, first + static_cast<std::uint64_t>(b));
    bits[4 * b] = block.v[0];
    bits[4 * b + 1] = block.v[1];
    bits[4 * b + 2] = block.v[2];
    bits[4 * b + 3] = block.v[3];
  }
}

// One draw for each element of a sample, at its index there; four elements share a block.
template <bool kAdd, class T>
void drop_elements(const DropoutSpec& spec, std::uint64_t threshold, T scale, ConstView x, View y) {
  constexpr Index kBlocks = 16, kElements = 4 * kBlocks;
  static_assert(kChunk % kElements == 0);
  const Chunks chunks(x.shape.n, x.shape.voxels() * x.shape.c, 1);
  const T* const in = x.as<T>();
  T* const out = y.as<T>();
  for_chunks(chunks, [&](const Chunk& chunk) {
    const Draw draw = draw_of(spec, chunks.samples, chunk.sample);
    const std::uint64_t first = static_cast<std::uint64_t>(chunk.begin - chunk.sample * chunks.voxels) / 4;
    const T* const from = in + chunk.begin;
    T* const to = out + chunk.begin;
    for_rows(chunk.count, kElements, [=](Index i, Index n) {
      std::uint32_t bits[kElements];
      const std::uint64_t block = first + static_cast<std::uint64_t>(i) / 4;
      draw_blocks<kBlocks>(draw, block, bits);
#pragma omp simd
      for (Index l = 0; l < n; ++l) put<kAdd>(to[i + l], bits[l] >= threshold ? from[i + l] * scale : T(0));
    });
  });
}

// One draw for each sample and channel.
template <bool kAdd, class T>
void drop_channels(const std::shared_ptr<Allocator>& memory, const DropoutSpec& spec, std::uint64_t threshold,
                   T scale, ConstView x, View y) {
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const functors::DropoutMask mask{spec.key, threshold};
  const Index batch = spec.batch == 0 ? chunks.samples : spec.batch;
  const Scratch<T> factors(memory, chunks.samples * width, "dropout");
  for (Index n = 0; n < chunks.samples; ++n) {
    T* const factor = factors.data() + n * width;
    const auto place = static_cast<std::uint32_t>(spec.first_sample + n % batch);
    for (Index c = 0; c < channels; ++c) {
      const bool keep =
          mask.keep(static_cast<std::uint32_t>(n / batch), place, static_cast<std::uint64_t>(c));
      factor[c] = keep ? scale : T(0);
    }
    tile(factor, channels, width);
  }
  const T* const in = x.as<T>();
  T* const out = y.as<T>();
  for_chunks(chunks, [&](const Chunk& chunk) {
    const T* const factor = factors.data() + chunk.sample * width;
    const T* const from = in + chunk.begin;
    T* const to = out + chunk.begin;
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) put<kAdd>(to[i + l], factor[l] != T(0) ? from[i + l] * factor[l] : T(0));
    });
  });
}

}  // namespace

void dropout(const std::shared_ptr<Allocator>& memory, const DropoutSpec& spec, ConstView x, View y,
             Accum accum) {
  check_same("dropout", x.shape, y.shape);
  DUET_CHECK(spec.p >= 0.0 && spec.p <= 1.0, "dropout: expected 0 <= p <= 1, found ", spec.p);
  DUET_CHECK(spec.batch >= 0 && spec.first_sample >= 0, "dropout: batch ", spec.batch, ", first sample ",
             spec.first_sample);
  const auto threshold = static_cast<std::uint64_t>(std::llround(std::ldexp(spec.p, 32)));
  const double scale = spec.p < 1.0 ? 1.0 / (1.0 - spec.p) : 0.0;
  with_type("dropout", x.dtype, [&](auto t) {
    using T = decltype(t);
    with_accum(accum, [&](auto add) {
      constexpr bool kAdd = decltype(add)::value;
      if (spec.channels) {
        drop_channels<kAdd>(memory, spec, threshold, static_cast<T>(scale), x, y);
      } else {
        drop_elements<kAdd>(spec, threshold, static_cast<T>(scale), x, y);
      }
    });
  });
}

}  // namespace duet::ref
