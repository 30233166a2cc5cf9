// Marks a function that is compiled for the host and, by nvcc, for the device as well.
#pragma once

#ifdef __CUDACC__
#define DUET_HOST_DEVICE __host__ __device__
#else
#define DUET_HOST_DEVICE
#endif

// Before a loop over an array that is to stay in a GPU's registers, which takes an unrolled loop; before one
// whose loads are to be in flight n at a time.
#ifdef __CUDA_ARCH__
#define DUET_UNROLL _Pragma("unroll")
#define DUET_UNROLL_BY(n) DUET_PRAGMA(unroll n)
#define DUET_PRAGMA(text) _Pragma(#text)
#else
#define DUET_UNROLL
#define DUET_UNROLL_BY(n)
#endif
