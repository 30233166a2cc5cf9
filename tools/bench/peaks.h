// What this machine can do at most, measured: the yardstick of the table of kernels.
#pragma once

#include "engine/kernels/backend.h"

namespace duet::bench {

struct MachinePeaks {
  // 10^9 operations a second: on the CPU f32 fused multiply-adds (two each) on all threads, on another device
  // a large product of matrices.
  double gflops = 0;
  double gbs = 0;  // a copy of a block beyond the caches, 10^9 bytes read + written a second
  const char* products = "f32, fused multiply-adds";  // what gflops are of
};

// 10^9 operations a second of f32 fused multiply-adds on max_threads() threads of the CPU.
double multiply_add_gflops();

// Of the backend's device; products there in `type`, that of activations.
MachinePeaks measure_peaks(Backend& backend, DType type);

}  // namespace duet::bench
