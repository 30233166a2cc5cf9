// Vectors of floats over f32 or bf16 memory, by the compiler's vector extension: the same code for every
// instruction set. Used by the loops of this room that must keep sums and coefficients in registers.
#pragma once

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include <bit>
#include <cstddef>
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
using Eight = float __attribute__((vector_size(32)));  // half a register with AVX-512: for 8 channels
template <class V>
constexpr Index kLanesOf = static_cast<Index>(sizeof(V) / sizeof(float));

// Bits of a vector's floats and bf16s.
template <std::size_t kBytes>
struct Bits;
template <>
struct Bits<32> {
  using Words = std::uint32_t __attribute__((vector_size(32)));
  using Halves = std::uint16_t __attribute__((vector_size(16)));
};
template <>
struct Bits<64> {
  using Words = std::uint32_t __attribute__((vector_size(64)));
  using Halves = std::uint16_t __attribute__((vector_size(32)));
};

// 16 bits to 32 and back, lane by lane.
template <class Words, class Halves>
Words widened(Halves bits) {
  return __builtin_convertvector(bits, Words);
}
template <class Halves, class Words>
Halves narrowed(Words bits) {
  return __builtin_convertvector(bits, Halves);
}
#ifdef __AVX512F__  // GCC 12 takes these apart, and warns of what has no mask
template <>
inline Bits<64>::Words widened(Bits<64>::Halves bits) {
  return std::bit_cast<Bits<64>::Words>(_mm512_maskz_cvtepu16_epi32(0xFFFF, std::bit_cast<__m256i>(bits)));
}
template <>
inline Bits<64>::Halves narrowed(Bits<64>::Words bits) {
  return std::bit_cast<Bits<64>::Halves>(_mm512_maskz_cvtepi32_epi16(0xFFFF, std::bit_cast<__m512i>(bits)));
}
#endif

template <class V>
V load_as(const float* from) {
  V value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class V>
V load_as(const bf16* from) {
  using Words = typename Bits<sizeof(V)>::Words;
  using Halves = typename Bits<sizeof(V)>::Halves;
  Halves bits;
  std::memcpy(&bits, from, sizeof bits);
  const Words wide = widened<Words>(bits) << 16;
  V value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}
inline Floats load(const float* from) { return load_as<Floats>(from); }
inline Floats load(const bf16* from) { return load_as<Floats>(from); }

template <class V>
void store(float* to, V value) {
  std::memcpy(to, &value, sizeof value);
}
// As bf16's constructor rounds.
template <class V>
void store(bf16* to, V value) {
  using Words = typename Bits<sizeof(V)>::Words;
  using Halves = typename Bits<sizeof(V)>::Halves;
  Words u;
  std::memcpy(&u, &value, sizeof u);
  const Words rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
  const Words quiet = (u >> 16) | 0x40u;
  const Words chosen = (u & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded;
  const auto bits = narrowed<Halves>(chosen);
  std::memcpy(to, &bits, sizeof bits);
}

}  // namespace duet::onednn
