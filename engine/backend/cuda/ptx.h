// What of a block and a warp has to be said in the device's own words. Device only: included by kernels.
// (tests/engine/cuda/blocks has this file once more, where a warp is 32 threads in turn on the host.)
#pragma once

#include <cstdint>

namespace duet::cuda {

#ifdef __CUDACC__
// The shared memory that a launch asked for (Geometry::shared), aligned to 16 bytes.
template <class T>
__device__ __forceinline__ T* block_memory() {
  extern __shared__ uint4 memory_of_the_block[];
  return reinterpret_cast<T*>(memory_of_the_block);
}

// Four matrices of 8 rows of 128 bits; lanes 8 i to 8 i + 7 give the rows of the i-th. A lane, by its group
// of four g and its place t in it, gets (g, 2t..) of each, or (2t.., g) where they are transposed on the way
// (PTX ISA, "ldmatrix").
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

// c += a b of a warp: (16, 8) in f32 from (16, 16) and (16, 8) in bf16 (PTX ISA, "mma.m16n8k16").
__device__ inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

}  // namespace duet::cuda
