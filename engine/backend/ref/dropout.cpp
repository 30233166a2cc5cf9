#include "engine/backend/ref/dropout.h"

#include <cmath>

#include "engine/backend/ref/chunks.h"
#include "engine/backend/ref/scratch.h"
#include "engine/kernels/dispatch.h"
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

std::uint64_t threshold_of(const DropoutSpec& spec) {
  return static_cast<std::uint64_t>(std::llround(std::ldexp(spec.p, 32)));
}

double scale_of(const DropoutSpec& spec) { return spec.p < 1.0 ? 1.0 / (1.0 - spec.p) : 0.0; }

// One draw for each channel of sample n: 1 / (1 - p) or 0.
template <class C>
void channel_factors(const DropoutSpec& spec, Index samples, Index n, Index channels, C* factor) {
  const functors::DropoutMask mask{spec.key, threshold_of(spec)};
  const Index batch = spec.batch == 0 ? samples : spec.batch;
  const auto place = static_cast<std::uint32_t>(spec.first_sample + n % batch);
  const C scale = static_cast<C>(scale_of(spec));
  for (Index c = 0; c < channels; ++c) {
    const bool keep = mask.keep(static_cast<std::uint32_t>(n / batch), place, static_cast<std::uint64_t>(c));
    factor[c] = keep ? scale : C(0);
  }
}

void check_spec(const DropoutSpec& spec) {
  DUET_CHECK(spec.p >= 0.0 && spec.p <= 1.0, "dropout: expected 0 <= p <= 1, found ", spec.p);
  DUET_CHECK(spec.batch >= 0 && spec.first_sample >= 0, "dropout: batch ", spec.batch, ", first sample ",
             spec.first_sample);
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
void drop_elements(const DropoutSpec& spec, ConstView x, View y) {
  using C = Compute<T>;
  const std::uint64_t threshold = threshold_of(spec);
  const C scale = static_cast<C>(scale_of(spec));
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
      for (Index l = 0; l < n; ++l) put<kAdd>(to[i + l], bits[l] >= threshold ? from[i + l] * scale : C(0));
    });
  });
}

template <bool kAdd, class T>
void drop_channels(const std::shared_ptr<Allocator>& memory, const DropoutSpec& spec, ConstView x, View y) {
  using C = Compute<T>;
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const Scratch<C> factors(memory, chunks.samples * width, "dropout");
  for (Index n = 0; n < chunks.samples; ++n) {
    C* const factor = factors.data() + n * width;
    channel_factors(spec, chunks.samples, n, channels, factor);
    tile(factor, channels, width);
  }
  const T* const in = x.as<T>();
  T* const out = y.as<T>();
  for_chunks(chunks, [&](const Chunk& chunk) {
    const C* const factor = factors.data() + chunk.sample * width;
    const T* const from = in + chunk.begin;
    T* const to = out + chunk.begin;
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) put<kAdd>(to[i + l], factor[l] != C(0) ? from[i + l] * factor[l] : C(0));
    });
  });
}

}  // namespace

void dropout(const std::shared_ptr<Allocator>& memory, const DropoutSpec& spec, ConstView x, View y,
             Accum accum) {
  check_same("dropout", x.shape, y.shape);
  check_spec(spec);
  with_storage("dropout", x.dtype, [&](auto t) {
    using T = decltype(t);
    with_accum(accum, [&](auto add) {
      constexpr bool kAdd = decltype(add)::value;
      if (spec.channels) {
        drop_channels<kAdd, T>(memory, spec, x, y);
      } else {
        drop_elements<kAdd, T>(spec, x, y);
      }
    });
  });
}

void dropout_factors(const DropoutSpec& spec, View factors) {
  check_spec(spec);
  const Index samples = factors.shape.n, channels = factors.shape.c;
  DUET_CHECK(spec.channels && factors.shape.voxels() == 1,
             "dropout_factors: expected one factor a channel, found ", factors.shape);
  with_type("dropout_factors", factors.dtype, [&](auto t) {
    using C = decltype(t);
    for (Index n = 0; n < samples; ++n)
      channel_factors(spec, samples, n, channels, factors.as<C>() + n * channels);
  });
}

}  // namespace duet::ref
