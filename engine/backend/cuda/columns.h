// Sums by column over the rows of each segment, in double and in a fixed order: first by chunk of rows, one
// block each (a tree over its lanes), then over chunks. Used for statistics, gradients of parameters and
// losses (which have one column).
#pragma once

#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/ptx.h"
#include "engine/memory/scratch.h"

namespace duet::cuda {

struct Columns {
  Index segments = 1, rows = 1, columns = 1;
};

// One thread's rows of a chunk. f.add<W>(segment, row, first column, sums): sums[k * W + j] += the k-th value
// of column first + j.
template <int K, int W, class F>
DUET_HOST_DEVICE inline void add_rows(const F& f, Index segment, Index begin, Index end, Index step,
                                      Index pack, double* sums) {
  for (int k = 0; k < K * W; ++k) sums[k] = 0.0;
  for (Index row = begin; row < end; row += step) f.template add<W>(segment, row, pack * W, sums);
}

// Adds lane + half onto lane, until one is left: `n` lanes before, the return value after.
template <class Int>
DUET_HOST_DEVICE constexpr Int half_of(Int n) {
  return (n + 1) / 2;
}

#ifdef __CUDACC__
template <int K, int W, class F>
__global__ void __launch_bounds__(kThreads, blocks_of<F>())
    sum_chunks(Columns of, ColumnGeometry g, Index packs, const __grid_constant__ F f, double* partial) {
  auto* shared = block_memory<double>();  // (K * W, kThreads)
  // In 32 bits: 64 are divided by a function and take two registers.
  const auto packs_of_block = static_cast<std::uint32_t>(g.packs),
             lanes = static_cast<std::uint32_t>(g.lanes);
  const std::uint32_t lane = threadIdx.x / packs_of_block;
  const std::uint32_t pack = blockIdx.y * packs_of_block + threadIdx.x % packs_of_block;
  const bool works = lane < lanes && pack < packs;
  const Index begin = blockIdx.x * g.rows_per_chunk;
  const Index end = begin + g.rows_per_chunk < of.rows ? begin + g.rows_per_chunk : of.rows;
  for (Index segment = blockIdx.z; segment < of.segments; segment += gridDim.z) {
    double sums[K * W];
    for (int k = 0; k < K * W; ++k) sums[k] = 0.0;
    if (works) add_rows<K, W>(f, segment, begin + lane, end, g.lanes, pack, sums);
    for (int k = 0; k < K * W; ++k) shared[k * kThreads + threadIdx.x] = sums[k];
    __syncthreads();
    for (std::uint32_t n = lanes; n > 1; n = half_of(n)) {
      const std::uint32_t other = lane + half_of(n);
      if (lane < half_of(n) && other < n) {
        // All loads before the first store, which the compiler has to take for one of what they read.
        double more[K * W];
        for (int k = 0; k < K * W; ++k) {
          more[k] = shared[k * kThreads + threadIdx.x + half_of(n) * packs_of_block];
        }
        for (int k = 0; k < K * W; ++k) shared[k * kThreads + threadIdx.x] = sums[k] += more[k];
      }
      __syncthreads();
    }
    if (works && lane == 0) {
      double* to = partial + ((segment * g.chunks + blockIdx.x) * packs + pack) * K * W;
      for (int k = 0; k < K * W; ++k) to[k] = sums[k];
    }
  }
}
#endif

// The same on the host, sums in the same order.
template <int K, int W, class F>
void sum_chunks_on_host(Arguments arguments) {
  const auto& of = argument<Columns>(arguments[0]);
  const auto& g = argument<ColumnGeometry>(arguments[1]);
  const auto packs = argument<Index>(arguments[2]);
  const auto& f = argument<F>(arguments[3]);
  double* partial = argument<double*>(arguments[4]);
  parallel_for(of.segments * g.chunks, [&](Index block) {
    double lanes[kThreads][K * W];
    const Index segment = block / g.chunks, begin = block % g.chunks * g.rows_per_chunk;
    const Index end = std::min(begin + g.rows_per_chunk, of.rows);
    for (Index pack = 0; pack < packs; ++pack) {
      for (Index lane = 0; lane < g.lanes; ++lane) {
        add_rows<K, W>(f, segment, begin + lane, end, g.lanes, pack, lanes[lane]);
      }
      for (Index n = g.lanes; n > 1; n = half_of(n)) {
        for (Index lane = 0; lane + half_of(n) < n; ++lane) {
          for (int k = 0; k < K * W; ++k) lanes[lane][k] += lanes[lane + half_of(n)][k];
        }
      }
      std::copy_n(lanes[0], K * W, partial + (block * packs + pack) * K * W);
    }
  });
}

// Few columns have many chunks, so that kFinishLanes threads share those of one: lane j adds chunks j,
// j + kFinishLanes, ..., and the lanes are added one after another.
constexpr Index kFinishLanes = 8, kFinishColumns = kThreads / kFinishLanes;

// finish(segment, column, sums of K) once the chunks are added.
template <int K, int W, class Finish>
struct FinishColumns {
  Finish finish;
  const double* partial;
  Index columns, chunks, items;  // items: of all segments
  DUET_HOST_DEVICE void add(Index i, Index lane, double* sums) const {
    const Index segment = i / columns, column = i % columns, packs = columns / W;
    for (int k = 0; k < K; ++k) sums[k] = 0.0;
    DUET_UNROLL_BY(8)  // loads in flight
    for (Index chunk = lane; chunk < chunks; chunk += kFinishLanes) {
      const double* from = partial + ((segment * chunks + chunk) * packs + column / W) * K * W + column % W;
      for (int k = 0; k < K; ++k) sums[k] += from[k * W];
    }
  }
  DUET_HOST_DEVICE void store(Index i, const double* sums) const { finish(i / columns, i % columns, sums); }
};

#ifdef __CUDACC__
template <int K, class F>
__global__ void __launch_bounds__(kThreads) finish_chunks(const __grid_constant__ F f) {
  auto* lanes = block_memory<double>();  // (kFinishLanes, K, kFinishColumns)
  const auto at = [](Index lane, int k, Index place) { return (lane * K + k) * kFinishColumns + place; };
  const Index place = threadIdx.x % kFinishColumns, lane = threadIdx.x / kFinishColumns;
  for (Index first = static_cast<Index>(blockIdx.x) * kFinishColumns; first < f.items;
       first += static_cast<Index>(gridDim.x) * kFinishColumns) {
    const Index i = first + place;
    double sums[K];
    if (i < f.items) {
      f.add(i, lane, sums);
      for (int k = 0; k < K; ++k) lanes[at(lane, k, place)] = sums[k];
    }
    __syncthreads();
    if (i < f.items && lane == 0) {
      for (int k = 0; k < K; ++k) {
        for (Index other = 1; other < kFinishLanes; ++other) sums[k] += lanes[at(other, k, place)];
      }
      f.store(i, sums);
    }
    __syncthreads();
  }
}
#endif

template <int K, class F>
void finish_chunks_on_host(Arguments arguments) {
  const F& f = argument<F>(arguments[0]);
  for (Index i = 0; i < f.items; ++i) {
    double sums[K], more[K];
    f.add(i, 0, sums);
    for (Index lane = 1; lane < kFinishLanes; ++lane) {
      f.add(i, lane, more);
      for (int k = 0; k < K; ++k) sums[k] += more[k];
    }
    f.store(i, sums);
  }
}

template <int K, class F>
void finish_columns(Driver& driver, const char* name, const F& f) {
  const void* device = nullptr;
#ifdef __CUDACC__
  device = reinterpret_cast<const void*>(&finish_chunks<K, F>);
#endif
  Launch launch{name, items_geometry(f.items * kFinishLanes), f.items};
  launch.geometry.shared = K * kThreads * sizeof(double);
  launch_kernel(driver, launch, device, finish_chunks_on_host<K, F>, f);
}

// `columns` is divisible by W. f as for add_rows; finish(segment, column, const double* sums) is called once
// for each, on the device.
template <int K, int W, class F, class Finish>
void sum_columns(Driver& driver, const std::shared_ptr<Allocator>& memory, const char* name,
                 const Columns& of, F f, Finish finish) {
  static_assert(K * W <= 24, "48 KiB of shared memory a block");
  const Index packs = of.columns / W;
  const ColumnGeometry g = column_geometry(of.segments, of.rows, packs, K * W);
  const Scratch scratch(
      memory, static_cast<std::size_t>(of.segments * g.chunks * of.columns * K) * sizeof(double), name);
  auto* partial = static_cast<double*>(scratch.data());
  const void* device = nullptr;
#ifdef __CUDACC__
  device = reinterpret_cast<const void*>(&sum_chunks<K, W, F>);
#endif
  launch_kernel(driver, {name, g.grid, of.segments * of.rows * packs}, device, sum_chunks_on_host<K, W, F>,
                of, g, packs, f, partial);
  finish_columns<K>(
      driver, name,
      FinishColumns<K, W, Finish>{finish, partial, of.columns, g.chunks, of.segments * of.columns});
}

// The finish of one sum a column of one segment: to[column] = or += it.
template <class C>
struct StoreColumn {
  C* to;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index, Index column, const double* sum) const {
    const double before = accum == Accum::add ? static_cast<double>(to[column]) : 0.0;
    to[column] = static_cast<C>(before + sum[0]);
  }
};

}  // namespace duet::cuda
