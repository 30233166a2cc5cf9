// Kernels that tools/ptx_check.py must refuse: one spills, one that works in packs reads element by element.
// 64 values in 32 registers.
__global__ void __launch_bounds__(1024, 2) spills(float* x) {
  float kept[64];
#pragma unroll
  for (int i = 0; i < 64; ++i) kept[i] = x[i];
  for (int round = 0; round < 8; ++round) {
#pragma unroll
    for (int i = 0; i < 64; ++i) kept[i] += kept[(i + 7) % 64] * x[round];
  }
#pragma unroll
  for (int i = 0; i < 64; ++i) x[i] = kept[i];
}

template <int W, class F>
struct InPacks {
  F* x;
};

template <class P>
__global__ void run_items(P packs) {
  packs.x[threadIdx.x] += 1;
}
template __global__ void run_items(InPacks<4, float>);
