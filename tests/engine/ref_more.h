// What the tests of the reference kernels share. Memory is poisoned: what a kernel should write starts as
// NaN.
#pragma once

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <functional>
#include <vector>

#include "engine/backend/ref/ref.h"
#include "engine/core/parallel.h"
#include "engine/core/philox.h"
#include "engine/tensor/tensor.h"

namespace duet::test {

inline constexpr DType kTypes[] = {DType::f32, DType::f64};

inline std::shared_ptr<Allocator> poisoned() {
  static const std::shared_ptr<Allocator> memory = [] {
    auto made = Allocator::create(host_memory());
    made->set_poison(true);
    return made;
  }();
  return memory;
}

inline Tensor values(const Shape& shape, DType type, const std::vector<double>& v) {
  return from_values(poisoned(), shape, type, v);
}
// NaN (or 0xFF bytes of an integer type).
inline Tensor garbage(const Shape& shape, DType type) { return Tensor(poisoned(), shape, type); }
inline Tensor full(const Shape& shape, DType type, double value) {
  return values(shape, type, std::vector<double>(static_cast<std::size_t>(shape.elements()), value));
}
// Uniform in [-1, 1).
inline Tensor random(const Shape& shape, DType type, std::uint32_t id) {
  std::vector<double> v(static_cast<std::size_t>(shape.elements()));
  const PhiloxKey key{.seed = 7, .layer = id};
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = 2.0 * static_cast<double>(draw_uniform(key, 0, i)) - 1.0;
  return values(shape, type, v);
}

inline void check_values(const Tensor& tensor, const std::vector<double>& expected, double tolerance = 1e-6) {
  const std::vector<double> found = to_values(tensor);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i << ": found " << found[i] << ", expected " << expected[i]);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance * (1.0 + std::abs(expected[i])));
  }
}

inline double inner(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = to_values(a), y = to_values(b);
  REQUIRE(x.size() == y.size());
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.view().data, b.view().data, a.bytes()) == 0;
}

// The result of `make` should not depend on the number of threads, byte for byte.
inline void check_threads(const std::function<Tensor()>& make) {
  const int before = max_threads();
  set_threads(1);
  const Tensor one = make();
  for (const int threads : {2, 3}) {
    set_threads(threads);
    CHECK(same_bytes(one, make()));
  }
  set_threads(before);
}

// Writing over NaN gives `expected`; adding onto 10 gives expected + 10.
inline void check_accum(const Shape& shape, DType type, const std::vector<double>& expected,
                        const std::function<void(View, Accum)>& kernel, double tolerance = 1e-6) {
  const Tensor written = garbage(shape, type);
  kernel(written.view(), Accum::write);
  check_values(written, expected, tolerance);
  const Tensor added = full(shape, type, 10.0);
  kernel(added.view(), Accum::add);
  std::vector<double> sum = expected;
  for (double& v : sum) v += 10.0;
  check_values(added, sum, tolerance);
}

}  // namespace duet::test
