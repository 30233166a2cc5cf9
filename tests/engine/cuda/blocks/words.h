// The words of CUDA C++ that the room's kernels use, for a compiler of plain C++: put before each source of
// the room by the build (-include), so that what stands under __CUDACC__ is compiled for the host. What a
// thread asks of its block is answered by block.h.
#pragma once

// NOLINTBEGIN(bugprone-reserved-identifier): they are CUDA's
#define __CUDACC__ 1
#define __host__
#define __device__
#define __global__
#define __grid_constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
// NOLINTEND(bugprone-reserved-identifier)

struct uint3 {
  unsigned x, y, z;
};

inline thread_local uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace duet::blocks {
void wait();
}
inline void __syncthreads() { duet::blocks::wait(); }  // NOLINT(bugprone-reserved-identifier)
