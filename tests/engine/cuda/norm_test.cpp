// The CUDA room's norm against the reference in double, beyond what the ops' cases reach: samples of several
// chunks, packs in every type, large means, pointers that are not aligned, NaN, and what is launched.
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "engine/core/philox.h"
#include "tests/engine/cuda/host_driver.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f64};
// Several chunks of whole packs; rests of packs and strips; fewer voxels than a strip.
const std::vector<Shape> kShapes = {
    {2, 21, 17, 13, 32}, {4, 3, 5, 7, 16}, {2, 13, 17, 11, 6}, {4, 1, 1, 3, 8}};

std::vector<NormSpec> specs() {
  NormSpec fixed;
  fixed.fixed_statistics = true;
  return {{}, {NormKind::batch, 1e-5, 1, 2}, {NormKind::instance}, {NormKind::group, 1e-5, 2}, fixed};
}

Backend& room() { return backend_of("cuda on the host"); }

// The room's tensor beside one of the same values for the reference.
struct Pair {
  Tensor value, exact;
  ConstView view(bool here) const { return here ? value.cview() : exact.cview(); }
};

Pair pair_of(const Shape& shape, DType type, const std::vector<double>& values) {
  Tensor value = from_values(room().memory, shape, type, values);
  return {value, from_values(ref_backend().memory, shape, DType::f64, to_values(value))};
}

Pair normal_pair(const Shape& shape, DType type, std::uint32_t id, double mean = 0, double deviation = 1) {
  const PhiloxKey key{.seed = 12, .stream = Stream::test, .layer = id};
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = mean + deviation * draw_normal(key, 0, i);
  return pair_of(shape, type, values);
}

// What make(backend, here, type) gives in the room and in the reference agrees.
template <class Make>
void compare(DType type, double bound, const Make& make) {
  const Tensor got = make(room(), true, type), expected = make(ref_backend(), false, DType::f64);
  CHECK(relative_difference(to_values(got), to_values(expected)) <= bound);
}

double bound_of(DType type) { return type == DType::bf16 ? 4e-3 : type == DType::f32 ? 1e-5 : 1e-12; }

}  // namespace

TEST_CASE("cuda norm: every pass against the reference in double") {
  for (const Shape& x : kShapes) {
    for (const NormSpec& spec : specs()) {
      for (const DType type : kTypes) {
        INFO(text(x, ' ', name_of(type), " kind ", static_cast<int>(spec.kind), " folds ", spec.folds,
                  spec.fixed_statistics ? " fixed" : ""));
        const DType master = master_type(type);
        const Shape shape = norm_statistics_shape(spec, x), channels = Shape::vector(x.c);
        const Pair in = normal_pair(x, type, 1, 0.3, 2.0), dy = normal_pair(x, type, 2);
        const Pair gamma = normal_pair(channels, master, 3, 1.0, 0.3),
                   beta = normal_pair(channels, master, 4);
        const Pair skip = normal_pair(x.with_batch(2), type, 5), before = normal_pair(x, type, 6);
        // Both read the same statistics.
        const Tensor m = ref_backend().empty(shape, DType::f64), v = ref_backend().empty(shape, DType::f64);
        ref_backend().norm->norm_statistics(spec, in.exact.cview(), m.view(), v.view());
        const Pair mean = pair_of(shape, master, to_values(m)), var = pair_of(shape, master, to_values(v));
        // Among many values one is so near the kink that float falls on its other side.
        const double slope = x.elements() < 100000 ? 0.01 : 1.0;
        const auto operands = [&](bool here) {
          return NormOperands{in.view(here),    mean.view(here), var.view(here),
                              gamma.view(here), beta.view(here), slope};
        };

        for (const bool second : {false, true}) {
          compare(master, master == DType::f32 ? 2e-6 : 1e-12, [&](Backend& b, bool here, DType type_here) {
            Tensor average = b.empty(shape, type_here), variance = b.empty(shape, type_here);
            b.norm->norm_statistics(spec, in.view(here), average.view(), variance.view());
            return second ? variance : average;
          });
        }
        compare(type, bound_of(type), [&](Backend& b, bool here, DType type_here) {
          Tensor y = b.empty(x, type_here);
          b.norm->norm_forward(spec, operands(here), skip.view(here), y.view());
          return y;
        });
        const auto sum = [&](Backend& b, bool here) {
          Tensor sums = b.empty({x.n, 1, 1, 2, x.c}, here ? master : DType::f64);
          b.norm->norm_backward_sums(spec, operands(here), dy.view(here), sums.view());
          return sums;
        };
        compare(master, bound_of(master), [&](Backend& b, bool here, DType) { return sum(b, here); });
        for (const Accum accum : {Accum::write, Accum::add}) {
          compare(type, bound_of(type), [&](Backend& b, bool here, DType type_here) {
            Tensor dx = b.empty(x, type_here);
            if (accum == Accum::add) b.pointwise->convert(before.view(here), dx.view());
            b.norm->norm_backward_data(spec, operands(here), dy.view(here), sum(b, here).cview(), dx.view(),
                                       accum);
            return dx;
          });
        }
      }
    }
  }
}

TEST_CASE("cuda norm: variances beside large means do not cancel") {
  for (const NormSpec& spec : specs()) {
    if (spec.fixed_statistics) continue;
    const Shape x{2, 21, 17, 13, 8}, shape = norm_statistics_shape(spec, x);
    const Pair in = normal_pair(x, DType::f32, 7, 1e4, 1.0);
    const auto variances = [&](Backend& b, ConstView values, DType type) {
      const Tensor mean = b.empty(shape, type), var = b.empty(shape, type);
      b.norm->norm_statistics(spec, values, mean.view(), var.view());
      return to_values(var);
    };
    const auto got = variances(room(), in.value.cview(), DType::f32);
    const auto expected = variances(ref_backend(), in.exact.cview(), DType::f64);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(2e-5));
  }
}

TEST_CASE("cuda norm: a NaN makes mean and output NaN") {
  const Shape x{1, 1, 1, 9, 8};
  std::vector<double> values(72, 1.0);
  values[40] = std::numeric_limits<double>::quiet_NaN();  // of channel 0
  const Tensor in = from_values(room().memory, x, DType::f32, values);
  const Tensor mean = room().empty(Shape::vector(8), DType::f32),
               var = room().empty(Shape::vector(8), DType::f32);
  const Tensor y = room().empty(x, DType::f32);
  room().norm->norm_statistics({}, in.cview(), mean.view(), var.view());
  room().norm->norm_forward({}, {in.cview(), mean.cview(), var.cview(), {}, {}}, {}, y.view());
  CHECK(std::isnan(to_values(mean)[0]));
  CHECK(std::isnan(to_values(y)[0]));
  CHECK(to_values(y)[1] == 0.0);
}

TEST_CASE("cuda norm: pointers off by one element, one launch a pass, nothing goes to the host") {
  HostDriver* driver = nullptr;
  const std::unique_ptr<Backend> made = make_host_cuda(&driver);
  Backend& b = *made;
  const Shape x{2, 1, 3, 3, 8};
  const Pair in = normal_pair(x, DType::bf16, 8);
  std::vector<double> shifted = to_values(in.value);
  shifted.insert(shifted.begin(), 0.0);
  const Tensor block = from_values(b.memory, Shape::vector(x.elements() + 1), DType::bf16, shifted);
  const Tensor aligned = from_values(b.memory, x, DType::bf16, to_values(in.value));
  const Tensor mean = b.empty({2, 1, 1, 1, 8}, DType::f32), var = b.empty({2, 1, 1, 1, 8}, DType::f32);
  const auto run = [&](ConstView from) {
    Tensor y = b.empty(x, DType::bf16);
    const NormSpec spec{NormKind::instance};
    b.norm->norm_statistics(spec, from, mean.view(), var.view());
    b.norm->norm_forward(spec, {from, mean.cview(), var.cview(), {}, {}, 0.0}, {}, y.view());
    return y;
  };
  const Calls before = driver->calls;
  const Tensor expected = run(aligned.cview());
  CHECK(driver->calls.downloads == before.downloads);
  CHECK(driver->calls.uploads == before.uploads);
  CHECK(driver->calls.launches.size() == before.launches.size() + 4);  // sums, their end, coefficients, y
  const auto* first = static_cast<const char*>(block.cview().data) + sizeof(bf16);
  CHECK(relative_difference(run({first, x, DType::bf16}), expected) <= bound_of(DType::bf16));
}

}  // namespace duet::testing
