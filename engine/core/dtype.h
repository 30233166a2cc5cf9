// Element types of tensors. Activations, parameters and gradients are f32 (f64 where gradients are checked);
// bf16 for activations and their gradients on request, their parameters and statistics being f32; class
// indices are u8; positions inside a pooling window are i32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/core/bf16.h"

namespace duet {

enum class DType { f32, f64, u8, i32, bf16 };

constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f64:
      return 8;
    case DType::u8:
      return 1;
    case DType::bf16:
      return 2;
  }
  return 0;
}

constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::u8:
      return "u8";
    case DType::i32:
      return "i32";
    case DType::bf16:
      return "bf16";
  }
  return "?";
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<bf16>() {
  return DType::bf16;
}

// The type of parameters, statistics and reductions beside activations of `type`.
constexpr DType master_type(DType type) { return type == DType::bf16 ? DType::f32 : type; }

}  // namespace duet
