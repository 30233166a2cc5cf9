// Marks a function that is compiled for the host and, by nvcc, for the device as well.
#pragma once

#ifdef __CUDACC__
#define DUET_HOST_DEVICE __host__ __device__
#else
#define DUET_HOST_DEVICE
#endif

// Before a loop over an array that is to stay in a GPU's registers, which takes an unrolled loop.
#ifdef __CUDA_ARCH__
#define DUET_UNROLL _Pragma("unroll")
#else
#define DUET_UNROLL
#endif
