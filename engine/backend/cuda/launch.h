// Running functors over items: the only kernels of elementwise and gathering work. A functor is a plain
// struct with a host-and-device operator(); nvcc compiles it into the kernel, and where the driver works on
// the host the same operator runs in a loop. No lambdas: nvcc does not take extended ones in generic code.
#pragma once

#include "engine/backend/cuda/kernel.h"
#include "engine/backend/cuda/pack.h"
#include "engine/core/parallel.h"

namespace duet::cuda {

// Blocks of a functor's kernel that a multiprocessor is to hold at once: `F::kBlocks`, where the compiler
// would otherwise spill registers to hold one more. 0: as it likes.
template <class F>
constexpr int blocks_of() {
  if constexpr (requires { F::kBlocks; }) {
    return F::kBlocks;
  } else {
    return 0;
  }
}

#ifdef __CUDACC__
template <class F>
__global__ void __launch_bounds__(kThreads, blocks_of<F>())
    run_items(Index items, const __grid_constant__ F f) {
  const Index stride = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < items; i += stride) f(i);
}
#endif

template <class F>
void run_items_on_host(Arguments arguments) {
  const F& f = argument<F>(arguments[1]);
  parallel_chunks(argument<Index>(arguments[0]), Index{1} << 12, [&f](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) f(i);
  });
}

// f(i) for each i in [0, items), in any order.
template <class F>
void for_items(Driver& driver, const char* name, Index items, const F& f) {
  if (items <= 0) return;
  const void* device = nullptr;
#ifdef __CUDACC__
  device = reinterpret_cast<const void*>(&run_items<F>);
#endif
  launch_kernel(driver, {name, items_geometry(items), items}, device, run_items_on_host<F>, items, f);
}

// Item i of W elements; what is left over at the end one by one.
template <int W, class F>
struct InPacks {
  F f;
  Index elements;
  DUET_HOST_DEVICE void operator()(Index i) const {
    const Index first = i * W;
    if (first + W <= elements) {
      f.template at<W>(first);
    } else {
      for (Index j = first; j < elements; ++j) f.template at<1>(j);
    }
  }
};

// Calls f.at<W>(first) over [0, elements) in packs of 128 bits of T where `vectorised` (all pointers aligned
// to 16 bytes), else element by element. f.at<W> works on elements [first, first + W).
template <class T, class F>
void for_packs(Driver& driver, const char* name, Index elements, bool vectorised, F f) {
  constexpr int W = kPack<T>;
  if (vectorised) {
    for_items(driver, name, ceil_divide(elements, W), InPacks<W, F>{f, elements});
  } else {
    for_items(driver, name, elements, InPacks<1, F>{f, elements});
  }
}

}  // namespace duet::cuda
