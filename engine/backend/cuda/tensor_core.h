// What a warp does on tensor cores, in PTX (PTX ISA, "mma.m16n8k16" and "ldmatrix"). Device only; included by
// the .cu files of halo.h. A lane is named by its group of four (row g) and its place t in it.
#pragma once

#include <cstdint>

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

// Four matrices of 8 rows of 128 bits; lanes 8 i to 8 i + 7 give the rows of the i-th. A lane gets (g, 2t..)
// of each, or (2t.., g) where they are transposed on the way.
template <bool Transpose>
__device__ inline void load_matrices(std::uint32_t (&v)[4], const void* row) {
  const auto at = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (Transpose) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(at));
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(at));
  }
}

// c += a b.
__device__ inline void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c.v[0]), "+f"(c.v[1]), "+f"(c.v[2]), "+f"(c.v[3])
      : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b.v[0]), "r"(b.v[1]));
}
#endif

}  // namespace duet::cuda
