// Packs, what is left over at their ends, slices that are not aligned, and sums by column, over a driver that
// runs the functors on the host.
#include "engine/backend/cuda/launch.h"

#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/pack.h"
#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::cuda {
namespace {

// Counts how often each element is worked on, and in what width.
struct Mark {
  int *times, *width;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    for (int i = 0; i < W; ++i) {
      ++times[first + i];
      width[first + i] = W;
    }
  }
};

template <class T>
void check_packs(Index elements, bool vectorised) {
  CAPTURE(elements);
  testing::HostDriver driver;
  std::vector<int> times(static_cast<std::size_t>(elements) + 1), width(times.size());
  for_packs<T>(driver, "mark", elements, vectorised, Mark{times.data(), width.data()});
  const Index W = vectorised ? kPack<T> : 1, tail = elements / W * W;
  Index wrong = 0;
  for (Index i = 0; i < elements; ++i) {
    const auto at = static_cast<std::size_t>(i);
    wrong += times[at] != 1 || width[at] != (i < tail ? W : 1);
  }
  CHECK(wrong == 0);
  CHECK(times.back() == 0);  // beyond the end
  REQUIRE(driver.calls.launches.size() == (elements > 0 ? 1u : 0u));
  if (elements == 0) return;
  const Launch& launch = driver.calls.launches[0];
  CHECK(std::strcmp(launch.name, "mark") == 0);
  CHECK(launch.items == ceil_divide(elements, W));
  CHECK(launch.geometry == items_geometry(launch.items));
}

TEST_CASE("packs and what is left over at the end: every element once") {
  CHECK(kPack<double> == 2);
  CHECK(kPack<float> == 4);
  CHECK(kPack<bf16> == 8);
  CHECK(kPack<std::uint8_t> == 16);
  for (const bool vectorised : {true, false}) {
    for (Index elements = 0; elements < 40; ++elements) {
      check_packs<double>(elements, vectorised);
      check_packs<float>(elements, vectorised);
      check_packs<bf16>(elements, vectorised);
      check_packs<std::uint8_t>(elements, vectorised);
    }
    for (const Index elements : {16383, 16384, 16385, 100003}) {
      check_packs<float>(elements, vectorised);
      check_packs<bf16>(elements, vectorised);
    }
  }
}

// y = or += x, through load and store.
template <class T>
struct Move {
  const T* x;
  T* y;
  int* width;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    store<W>(y, first, load<W>(x, first), accum);
    for (int i = 0; i < W; ++i) width[first + i] = W;
  }
};

// Moves the second sample of two of `elements` each onto the second of y; the first stays as it is.
template <class T>
void check_slices(Index elements, Accum accum) {
  CAPTURE(elements);
  testing::HostDriver driver;
  const auto n = static_cast<std::size_t>(elements);
  auto* x = static_cast<T*>(driver.allocate(2 * n * sizeof(T)));
  auto* y = static_cast<T*>(driver.allocate(2 * n * sizeof(T)));
  using C = Compute<T>;
  const bool add = accum == Accum::add;
  for (std::size_t i = 0; i < 2 * n; ++i) {
    x[i] = T(static_cast<C>(i % 64));
    y[i] = T(add ? C(3) : std::numeric_limits<C>::quiet_NaN());
  }
  std::vector<int> width(n);
  const bool vectorised = aligned(x + n, y + n);
  CHECK(vectorised == (n * sizeof(T) % 16 == 0));
  for_packs<T>(driver, "move", elements, vectorised, Move<T>{x + n, y + n, width.data(), accum});
  Index wrong = 0;
  for (std::size_t i = 0; i < n; ++i) {
    wrong += static_cast<C>(y[n + i]) != static_cast<C>((n + i) % 64) + (add ? C(3) : C(0));
    wrong += width[i] != (vectorised && i < n / kPack<T> * kPack<T> ? kPack<T> : 1);
    wrong += add ? static_cast<C>(y[i]) != C(3) : static_cast<C>(y[i]) == static_cast<C>(y[i]);
  }
  CHECK(wrong == 0);
  driver.release(x);
  driver.release(y);
}

TEST_CASE("pointers are aligned to 128 bits, all of them or none") {
  alignas(16) float x[8] = {};
  CHECK(aligned(x));
  CHECK(aligned(x + 4));
  CHECK(aligned(nullptr));
  for (int i = 1; i < 4; ++i) CHECK_FALSE(aligned(x + i));
  CHECK(aligned(x, x + 4));
  CHECK_FALSE(aligned(x, x + 2));
  CHECK_FALSE(aligned(x + 2, x, x + 4));
  CHECK_FALSE(aligned(x, x + 4, x + 1));
}

TEST_CASE("slices that are not aligned go one by one; writing reads nothing, adding adds") {
  for (const Accum accum : {Accum::write, Accum::add}) {
    for (const Index elements : {1, 3, 4, 5, 8, 12, 15, 16, 17, 37, 64}) {
      check_slices<float>(elements, accum);
      check_slices<double>(elements, accum);
      check_slices<bf16>(elements, accum);
    }
  }
}

// The k-th value of a column is (k + 1) x.
template <int K>
struct Terms {
  const double* x;
  Index rows, columns;
  template <int W>
  DUET_HOST_DEVICE void add(Index segment, Index row, Index column, double* sums) const {
    const double* from = x + (segment * rows + row) * columns + column;
    for (int k = 0; k < K; ++k) {
      for (int j = 0; j < W; ++j) sums[k * W + j] += (k + 1) * from[j];
    }
  }
};

template <int K>
struct Keep {
  double* sums;  // (segments, columns, K)
  int* times;    // (segments, columns)
  Index columns;
  DUET_HOST_DEVICE void operator()(Index segment, Index column, const double* found) const {
    const Index at = segment * columns + column;
    ++times[at];
    for (int k = 0; k < K; ++k) sums[at * K + k] = found[k];
  }
};

// Whole numbers, so that sums are exact in whatever order they are made.
std::vector<double> whole_numbers(Index count) {
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<double>(static_cast<int>(i * 7919 % 2003) - 1001);
  }
  return numbers;
}

template <int K, int W>
void check_sums(const std::shared_ptr<Allocator>& memory, const Columns& of) {
  CAPTURE(of.segments);
  CAPTURE(of.rows);
  CAPTURE(of.columns);
  testing::HostDriver driver;
  const std::vector<double> x = whole_numbers(of.segments * of.rows * of.columns);
  const auto results = static_cast<std::size_t>(of.segments * of.columns);
  std::vector<double> found(results * K), expected(results * K);
  std::vector<int> times(results);
  for (Index i = 0; i < static_cast<Index>(x.size()); ++i) {
    const Index at = i / of.columns / of.rows * of.columns + i % of.columns;
    for (int k = 0; k < K; ++k) {
      expected[static_cast<std::size_t>(at * K + k)] += (k + 1) * x[static_cast<std::size_t>(i)];
    }
  }
  sum_columns<K, W>(driver, memory, "sums", of, Terms<K>{x.data(), of.rows, of.columns},
                    Keep<K>{found.data(), times.data(), of.columns});
  CHECK(found == expected);
  CHECK(times == std::vector<int>(results, 1));
  REQUIRE(driver.calls.launches.size() == 2);
  CHECK(driver.calls.launches[0].geometry ==
        column_geometry(of.segments, of.rows, of.columns / W, K * W).grid);
  CHECK(driver.calls.launches[0].items == of.segments * of.rows * (of.columns / W));
  CHECK(driver.calls.launches[1].items == of.segments * of.columns);
}

template <int K, int W>
void check_sums_of_sizes() {
  CAPTURE(K);
  CAPTURE(W);
  const auto memory = Allocator::create(host_memory());
  memory->set_poison(true);  // scratch that is read before it is written shows as NaN
  for (const Index segments : {1, 3}) {
    for (const Index rows : {1, 2, 17, 255, 257}) {
      for (const Index packs : {1, 3, 5, 17, 64}) check_sums<K, W>(memory, {segments, rows, packs * W});
    }
  }
  check_sums<K, W>(memory, {1, 20011, W});      // one column of packs, several chunks
  check_sums<K, W>(memory, {2, 4097, 3 * W});   // lanes that are no power of two: 85
  check_sums<K, W>(memory, {2, 131, 129 * W});  // a lane alone
  check_sums<K, W>(memory, {1, 37, 257 * W});   // two blocks of packs
}

TEST_CASE("sums by column are those of a plain loop") {
  check_sums_of_sizes<1, 1>();
  check_sums_of_sizes<2, 1>();
  check_sums_of_sizes<3, 1>();
  check_sums_of_sizes<1, 4>();
  check_sums_of_sizes<2, 4>();
  check_sums_of_sizes<3, 2>();
  check_sums_of_sizes<1, 8>();
  check_sums_of_sizes<3, 8>();
}

TEST_CASE("sums by column of more segments than blocks along z") {
  check_sums<1, 1>(Allocator::create(host_memory()), {70001, 1, 1});
  check_sums<2, 4>(Allocator::create(host_memory()), {kMostAcross + 1, 2, 4});
}

TEST_CASE("sums are made in double") {
  const auto memory = Allocator::create(host_memory());
  const Index rows = 30000;
  std::vector<double> x(static_cast<std::size_t>(rows), 1.0);
  x.front() = 0x1p40, x.back() = -0x1p40;  // in float the ones between would be lost
  testing::HostDriver driver;
  double sum = 0;
  int times = 0;
  sum_columns<1, 1>(driver, memory, "sums", {1, rows, 1}, Terms<1>{x.data(), rows, 1},
                    Keep<1>{&sum, &times, 1});
  CHECK(sum == static_cast<double>(rows - 2));
}

}  // namespace
}  // namespace duet::cuda
