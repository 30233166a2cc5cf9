// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A draw is a pure function of (seed, counter), so masks are equal on every backend, in any order,
// and can be made again.
//
// Counter layout, 128 bits in four words:
//   word 0  low 32 bits of the block (block = element or channel index / 4)
//   word 1  sample, by its place in the original batch (high 16 bits) | bits 32..47 of the block (low 16
//   bits) word 2  step (32 bits) word 3  stream (4 bits) | network (4 bits) | layer (12 bits) | Monte Carlo
//   pass (12 bits), from high to low
#pragma once

#include <cstdint>

#include "engine/core/host_device.h"

namespace duet {

// What a draw is for; streams never share a counter.
enum class Stream : std::uint32_t {
  init = 0,
  dropout,
  order,
  crop,
  flip,
  intensity,
  noise,
  split,
  phantom,
  test,
  bootstrap,
  warp,
  appearance,
  cutmix
};

struct PhiloxBlock {
  std::uint32_t v[4];
};

DUET_HOST_DEVICE inline PhiloxBlock philox4x32(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.v[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.v[2];
    counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.v[1] ^ key0, static_cast<std::uint32_t>(p1),
                static_cast<std::uint32_t>(p0 >> 32) ^ counter.v[3] ^ key1, static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Everything of a draw but its sample and element.
struct PhiloxKey {
  std::uint64_t seed = 0;
  Stream stream = Stream::test;
  std::uint32_t network = 0;  // < 16
  std::uint32_t layer = 0;    // < 4096
  std::uint32_t step = 0;
  std::uint32_t pass = 0;  // < 4096
};

DUET_HOST_DEVICE inline PhiloxBlock draw_block(const PhiloxKey& key, std::uint32_t sample,
                                               std::uint64_t block) {
  const PhiloxBlock counter = {
      {static_cast<std::uint32_t>(block),
       (sample << 16) | static_cast<std::uint32_t>((block >> 32) & 0xFFFFu), key.step,
       (static_cast<std::uint32_t>(key.stream) << 28) | ((key.network & 0xFu) << 24) |
           ((key.layer & 0xFFFu) << 12) | (key.pass & 0xFFFu)}};
  return philox4x32(counter, static_cast<std::uint32_t>(key.seed),
                    static_cast<std::uint32_t>(key.seed >> 32));
}

DUET_HOST_DEVICE inline std::uint32_t draw_bits(const PhiloxKey& key, std::uint32_t sample,
                                                std::uint64_t element) {
  return draw_block(key, sample, element >> 2).v[element & 3];
}

// Uniform in [0, 1) with 24 bits.
DUET_HOST_DEVICE inline float draw_uniform(const PhiloxKey& key, std::uint32_t sample,
                                           std::uint64_t element) {
  return static_cast<float>(draw_bits(key, sample, element) >> 8) * 0x1p-24f;
}

// Uniform integer in [0, bound) by multiply-shift (bias below bound / 2^32); bound >= 1.
DUET_HOST_DEVICE inline std::uint32_t draw_below(const PhiloxKey& key, std::uint32_t sample,
                                                 std::uint64_t element, std::uint32_t bound) {
  return static_cast<std::uint32_t>((std::uint64_t{draw_bits(key, sample, element)} * bound) >> 32);
}

// Standard normal by Box-Muller; host only, as log and cos differ between libraries.
double draw_normal(const PhiloxKey& key, std::uint32_t sample, std::uint64_t element);

}  // namespace duet
