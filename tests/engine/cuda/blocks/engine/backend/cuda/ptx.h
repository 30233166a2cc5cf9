// In place of the room's own ptx.h: a block's and a warp's means as block.h has them.
#pragma once

#include "tests/engine/cuda/blocks/block.h"

namespace duet::cuda {

template <class T>
T* block_memory() {
  return static_cast<T*>(blocks::memory());
}

template <bool Transpose>
void load_matrices(std::uint32_t (&v)[4], const void* row) {
  using What = blocks::Step::What;
  blocks::together({.what = Transpose ? What::load_transposed : What::load, .words = v, .row = row});
}

inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  blocks::together({.what = blocks::Step::What::multiply, .sums = c, .a = a, .b = b});
}

}  // namespace duet::cuda
