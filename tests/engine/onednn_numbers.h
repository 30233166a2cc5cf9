// Numbers for the tests of the CPU room's own loops: a tensor of the type under test beside one of the same
// values in double for the reference backend. Memory is poisoned: what should be written starts as NaN.
#pragma once

#include <cmath>
#include <doctest/doctest.h>
#include <vector>

#include "engine/core/parallel.h"
#include "engine/core/philox.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {

// A convolution of x into `to` channels.
struct ConvSetup {
  Shape x;
  Index to;
  Conv3dSpec spec;
  Shape w() const { return {to, spec.kernel[0], spec.kernel[1], spec.kernel[2], x.c}; }
  Shape y() const { return conv3d_output_shape(spec, x, w()); }
};

struct Pair {
  Tensor value, exact;  // f32 or bf16 beside f64
};

inline Pair pair_of(const Shape& shape, DType type, const std::vector<double>& values) {
  Pair pair;
  pair.value = from_values(backend_of("onednn").memory, shape, type, values);
  pair.exact = from_values(ref_backend().memory, shape, DType::f64, to_values(pair.value));
  return pair;
}

// Normal with this mean and deviation, rounded to the type.
inline Pair normal_pair(const Shape& shape, DType type, std::uint32_t id, double mean = 0.0,
                        double deviation = 1.0) {
  const PhiloxKey key{.seed = 11, .stream = Stream::test, .layer = id};
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = mean + deviation * draw_normal(key, 0, i);
  return pair_of(shape, type, values);
}

// The way that the backend goes for a pass; "" where the processor has no convolutions of this type (oneDNN
// multiplies no bf16 before AVX-512).
inline std::string way_of(ConvPass pass, const ConvSetup& s, DType type) {
  Backend& backend = backend_of("onednn");
  if (type == DType::bf16 && !backend.fast_bf16) return "";
  return backend.convolution->implementation(pass, s.spec, s.x, s.w(), type);
}

inline Tensor unwritten(const Shape& shape, DType type) { return backend_of("onednn").empty(shape, type); }
inline Tensor unwritten_exact(const Shape& shape) { return ref_backend().empty(shape, DType::f64); }

// Of the tensor's largest value: a float's rounding and its sums, or bf16's 8 bits.
inline double bound_of(DType type) { return type == DType::bf16 ? 4e-3 : 1e-5; }

inline void check_near(const Tensor& got, const Tensor& expected, double bound) {
  const double difference = relative_difference(to_values(got), to_values(expected));
  CHECK(difference <= bound);
}

// make() for one, two and three threads gives the same bytes; returns them.
template <class Make>
Tensor for_any_threads(const Make& make) {
  const int before = max_threads();
  Tensor first;
  for (const int threads : {1, 2, 3}) {
    set_threads(threads);
    const Tensor made = make();
    if (!first) first = made;
    INFO(threads, " threads");
    CHECK(same_bytes(made, first));
  }
  set_threads(before);
  return first;
}

// A tensor to write or to add onto, of the room's type or in double: NaN, or what was there before.
inline Tensor begun(Accum accum, const Pair& before) {
  const Tensor& value = before.value;
  if (accum == Accum::write) return unwritten(value.shape(), value.dtype());
  return from_values(backend_of("onednn").memory, value.shape(), value.dtype(), to_values(value));
}
inline Tensor begun_exact(const Pair& before) {
  return from_values(ref_backend().memory, before.exact.shape(), DType::f64, to_values(before.exact));
}

// gradient(memory, spec, x, dy, dw, accum) against the reference, writing and adding, any threads: dw in f32
// from x and dy of this type. Draws are numbered from `id` on; x has this mean.
template <class Gradient>
void check_weights_gradient(const ConvSetup& s, std::uint32_t& id, const Gradient& gradient,
                            double mean = 0.0, DType type = DType::f32) {
  const Pair x = normal_pair(s.x, type, id++, mean), dy = normal_pair(s.y(), type, id++),
             before = normal_pair(s.w(), DType::f32, id++);
  for (const Accum accum : {Accum::write, Accum::add}) {
    const Tensor got = for_any_threads([&] {
      const Tensor dw = begun(accum, before);
      gradient(backend_of("onednn").memory, s.spec, x.value.cview(), dy.value.cview(), dw.view(), accum);
      return dw;
    });
    const Tensor expected = begun_exact(before);
    ref_backend().convolution->conv3d_backward_weights(s.spec, x.exact.cview(), dy.exact.cview(),
                                                       expected.view(), accum);
    check_near(got, expected, bound_of(DType::f32));
  }
}

}  // namespace duet::testing
