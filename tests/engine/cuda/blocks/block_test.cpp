// That running kernels thread by thread finds what it is there for, does what a warp does, and that the
// room's kernels go in strides over what a grid has no room for.
#include "tests/engine/cuda/blocks/block.h"

#include <cmath>
#include <doctest/doctest.h>
#include <numeric>
#include <vector>

#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/tensor_core.h"
#include "engine/backend/ref/ref.h"
#include "engine/core/errors.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::cuda {
namespace {

constexpr blocks::Order kOrders[] = {blocks::Order::forwards, blocks::Order::backwards};

template <class... A>
void launch(void (*kernel)(A...), const Geometry& geometry, std::type_identity_t<A>... arguments) {
  testing::HostDriver driver;
  launch_kernel(driver, {"kernel", geometry, 1}, reinterpret_cast<const void*>(kernel), nullptr,
                arguments...);
}

// What is wrong with a launch of one block, in an order; nothing where it runs through.
template <class... A>
std::string complaint(blocks::Order order, void (*kernel)(A...), std::uint32_t threads, std::size_t shared,
                      std::type_identity_t<A>... arguments) {
  const blocks::InOrder scope(order);
  try {
    launch(kernel, {1, 1, 1, threads, shared}, arguments...);
    return "";
  } catch (const EngineError& error) {
    return error.what();
  }
}

bool has(const std::string& message, const char* part) { return message.find(part) != std::string::npos; }

// Each thread's number by way of the thread across the block.
__global__ void exchange(bool waits, float* result) {
  auto* numbers = block_memory<float>();
  numbers[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (waits) __syncthreads();
  result[threadIdx.x] = numbers[blockDim.x - 1 - threadIdx.x];
}

TEST_CASE("a missing barrier shows, in one order or the other") {
  for (const bool waits : {true, false}) {
    int wrong = 0;
    for (const auto order : kOrders) {
      std::vector<float> result(96);
      CHECK(complaint(order, exchange, 96, 96 * sizeof(float), waits, result.data()).empty());
      for (std::size_t i = 0; i < 96; ++i) wrong += result[i] != static_cast<float>(95 - i);
    }
    CHECK((wrong == 0) == waits);
  }
}

__global__ void part_waits(unsigned threads) {
  if (threadIdx.x < threads) __syncthreads();
}
__global__ void read_and_write(std::size_t at, float* read) {
  *read = block_memory<float>()[at];
  block_memory<float>()[at] = 1.0f;
}

TEST_CASE("barriers that not all reach, and shared memory that is not there or not written") {
  for (const auto order : kOrders) {
    const std::string stuck = complaint(order, part_waits, 64, 0, 63);
    CHECK(has(stuck, "kernel: block (0, 0, 0) goes no further: of 64 threads 63 wait for the block"));
    CHECK(complaint(order, part_waits, 64, 0, 64).empty());  // after one that went no further
    float read = 0;
    CHECK(complaint(order, read_and_write, 1, 32, 7, &read).empty());
    CHECK(std::isnan(read));
    CHECK(has(complaint(order, read_and_write, 1, 32, 8, &read), "beyond its 32 bytes of shared memory"));
  }
}

// Shared memory: a (16, 16), b (16, 8) transposed to (8, 16), both from `values`; c = a b.
__global__ void product(const float* values, int lanes, bool mixed, float* c) {
  auto* shared = block_memory<bf16>();
  for (int i = static_cast<int>(threadIdx.x); i < 24 * 16; i += 32) shared[i] = bf16(values[i]);
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x);
  if (lane >= lanes) return;
  FragmentA a;
  std::uint32_t both[4];
  load_matrices<false>(a.v, shared + (lane % 16) * 16 + lane / 16 * 8);
  load_matrices<false>(both, shared + (16 + lane % 8) * 16 + lane / 8 % 2 * 8);
  const FragmentB b{{both[0], both[1]}};
  FragmentC sums{};
  if (mixed && lane == 5) load_matrices<true>(both, shared);
  multiply_add(sums, a, b);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums.v[i];
}

TEST_CASE("a warp multiplies matrices as tensor cores do, or not at all") {
  std::vector<float> values(24 * 16), c(16 * 8);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7 % 31) - 15.0f;
  constexpr std::size_t kBytes = 24 * 16 * sizeof(bf16);
  for (const auto order : kOrders) {
    CHECK(complaint(order, product, 32, kBytes, values.data(), 32, false, c.data()).empty());
    for (std::size_t row = 0; row < 16; ++row) {
      for (std::size_t column = 0; column < 8; ++column) {
        CHECK(c[row * 8 + column] == std::inner_product(&values[row * 16], &values[row * 16] + 16,
                                                        &values[(16 + column) * 16], 0.0f));
      }
    }
    CHECK(has(complaint(order, product, 32, kBytes, values.data(), 31, false, c.data()),
              "31 for their warp, 1 are done"));
    CHECK(has(complaint(order, product, 32, kBytes, values.data(), 32, true, c.data()),
              "do not ask for the same instruction"));
  }
}

struct Count {
  int* times;
  DUET_HOST_DEVICE void operator()(Index i) const { ++times[i]; }
};

TEST_CASE("items go in strides over a grid that is too small for them") {
  for (const auto order : kOrders) {
    std::vector<int> times(3001);
    const blocks::InOrder scope(order);
    launch(run_items<Count>, {2, 1, 1, kThreads, 0}, 3000, Count{times.data()});
    CHECK(std::count(times.begin(), times.end(), 1) == 3000);
    CHECK(times.back() == 0);
  }
}

struct Values {
  const float* of;
  Index rows, columns;
  template <int W>
  DUET_HOST_DEVICE void add(Index segment, Index row, Index column, double* sums) const {
    for (int j = 0; j < W; ++j) sums[j] += of[(segment * rows + row) * columns + column + j];
  }
};
struct Keep {
  double* to;
  Index columns;
  DUET_HOST_DEVICE void operator()(Index segment, Index column, const double* sum) const {
    to[segment * columns + column] = *sum;
  }
};

TEST_CASE("sums by column go in strides over segments, and finishing over columns") {
  constexpr Index kSegments = 5, kRows = 1000, kColumns = 12;
  std::vector<float> values(kSegments * kRows * kColumns);
  std::iota(values.begin(), values.end(), 0.0f);
  ColumnGeometry g = column_geometry(kSegments, kRows, kColumns / 4, 4);
  g.grid.z = 2;
  for (const auto order : kOrders) {
    const blocks::InOrder scope(order);
    std::vector<double> partial(static_cast<std::size_t>(kSegments * g.chunks * kColumns)), sums(60, -1.0);
    launch(sum_chunks<1, 4, Values>, g.grid, {kSegments, kRows, kColumns}, g, kColumns / 4,
           Values{values.data(), kRows, kColumns}, partial.data());
    using Finish = FinishColumns<1, 4, Keep>;
    launch(finish_chunks<1, Finish>, {1, 1, 1, kThreads, kThreads * sizeof(double)},
           Finish{{sums.data(), kColumns}, partial.data(), kColumns, g.chunks, kSegments * kColumns});
    for (Index i = 0; i < kSegments * kColumns; ++i) {
      double expected = 0;
      for (Index row = 0; row < kRows; ++row) {
        expected += values[static_cast<std::size_t>((i / kColumns * kRows + row) * kColumns + i % kColumns)];
      }
      CHECK(sums[static_cast<std::size_t>(i)] == expected);
    }
  }
}

}  // namespace
}  // namespace duet::cuda
