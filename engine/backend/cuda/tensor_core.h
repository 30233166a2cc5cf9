// What a warp multiplies on tensor cores, as its lanes hold it. Device only; included by the .cu files of
// halo.h. A lane is named by its group of four (row g) and its place t in it.
#pragma once

#include "engine/backend/cuda/ptx.h"

namespace duet::cuda {

#ifdef __CUDACC__
// A: 16 rows by 16, in bf16; lane (g, t) holds (g, 2t..), (g + 8, 2t..), (g, 2t + 8..), (g + 8, 2t + 8..).
struct FragmentA {
  std::uint32_t v[4];
};
// B: 16 rows by 8 columns; (2t.., g), (2t + 8.., g).
struct FragmentB {
  std::uint32_t v[2];
};
// C: 16 by 8 in f32: (g, 2t..), (g + 8, 2t..).
struct FragmentC {
  float v[4];
};

// c += a b.
__device__ inline void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  multiply_add(c.v, a.v, b.v);
}
#endif

}  // namespace duet::cuda
