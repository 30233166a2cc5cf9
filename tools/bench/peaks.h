// What this machine can do at most, measured: the yardstick of the table of kernels.
#pragma once

namespace duet::bench {

struct MachinePeaks {
  double gflops = 0;  // f32 fused multiply-adds on all threads, 10^9 operations a second (two each)
  double gbs = 0;  // a copy of a block beyond the caches on all threads, 10^9 bytes read + written a second
};

MachinePeaks measure_peaks();

}  // namespace duet::bench
