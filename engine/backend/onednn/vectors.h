// Vectors of 16 or 8 floats over f32 or bf16 memory, by the compiler's vector extension: the same code for
// every instruction set. Used by the loops of this room that must keep sums and coefficients in registers.
#pragma once

#include <cstdint>
#include <cstring>

#include "engine/core/bf16.h"
#include "engine/core/shape.h"

namespace duet::onednn {

// A register: GCC takes longer vectors apart through memory.
#ifdef __AVX512F__
constexpr Index kVector = 16;
#else
constexpr Index kVector = 8;
#endif
using Floats = float __attribute__((vector_size(4 * kVector)));
using Words = std::uint32_t __attribute__((vector_size(4 * kVector)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kVector)));

inline Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline Floats load(const bf16* from) {
  Halves bits;
  std::memcpy(&bits, from, sizeof bits);
  const Words wide = __builtin_convertvector(bits, Words) << 16;
  Floats value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

inline void store(float* to, Floats value) { std::memcpy(to, &value, sizeof value); }
// As bf16's constructor rounds.
inline void store(bf16* to, Floats value) {
  Words u;
  std::memcpy(&u, &value, sizeof u);
  const Words rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
  const Words quiet = (u >> 16) | 0x40u;
  const Words chosen = (u & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded;
  const Halves bits = __builtin_convertvector(chosen, Halves);
  std::memcpy(to, &bits, sizeof bits);
}

}  // namespace duet::onednn
