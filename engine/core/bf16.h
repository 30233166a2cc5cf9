// bfloat16: the upper half of a float. A storage type only: it is read as a float and written from one,
// rounded to nearest even (NaN stays NaN), so every computation happens in float.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "engine/core/host_device.h"

namespace duet {

struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  // Branch-free, so that loops over it vectorise.
  DUET_HOST_DEVICE explicit bf16(float value) {
#ifdef __CUDA_ARCH__
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
    const std::uint32_t quiet = (u >> 16) | 0x40u;
    bits = static_cast<std::uint16_t>((u & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
#endif
  }
  DUET_HOST_DEVICE operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

// The type in which values of storage type T are computed, summed over channels, and have their parameters.
template <class T>
struct ComputeType {
  using type = T;
};
template <>
struct ComputeType<bf16> {
  using type = float;
};
template <class T>
using Compute = typename ComputeType<T>::type;

}  // namespace duet
