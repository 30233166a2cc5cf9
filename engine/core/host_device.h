// Marks a function that is compiled for the host and, by nvcc, for the device as well.
#pragma once

#ifdef __CUDACC__
#define DUET_HOST_DEVICE __host__ __device__
#else
#define DUET_HOST_DEVICE
#endif
