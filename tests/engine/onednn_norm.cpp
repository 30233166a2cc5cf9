// The CPU room's norm against the reference in double, kernel by kernel, in f32 and bf16: both widths of
// rows, blocks of channels, rests, several tasks a sample, and what falls back to the reference's loops.
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
namespace {

// Elements of a sample above 32768 are more than one task.
const std::vector<Shape> kShapes = {
    {2, 21, 40, 41, 1},  {1, 9, 31, 30, 2},   {2, 13, 13, 13, 3}, {2, 17, 19, 16, 8},
    {1, 15, 16, 15, 12}, {2, 14, 15, 13, 16}, {4, 7, 7, 7, 24},   {2, 8, 9, 10, 48},
    {2, 8, 9, 10, 64},   {1, 5, 7, 10, 96},   {2, 5, 7, 9, 128},  {2, 3, 3, 3, 64},
    {4, 1, 1, 2, 16},    {2, 1, 1, 3, 4},     {2, 4, 5, 3, 5}};  // of 5 channels: the reference
constexpr DType kTypes[] = {DType::f32, DType::bf16};

struct Setup {
  NormSpec spec;
  double slope = 0.0;
  std::uint32_t id = 0;
};

std::vector<Setup> setups(const Shape& x) {
  std::vector<Setup> all = {{{NormKind::batch}, 0.0, 1}, {{NormKind::instance}, 0.01, 2}};
  if (x.n % 2 == 0) all.push_back({{NormKind::batch, 1e-5, 1, 2}, 1.0, 3});
  NormSpec fixed{NormKind::batch};
  fixed.fixed_statistics = true;
  all.push_back({fixed, 0.01, 4});
  return all;
}

// Calls body(setup, shape, type) for everything above.
template <class Body>
void for_each(const Body& body) {
  for (const Shape& x : kShapes) {
    for (const Setup& setup : setups(x)) {
      for (const DType type : kTypes) {
        INFO(text(x, ' ', name_of(type), " kind ", static_cast<int>(setup.spec.kind), " folds ",
                  setup.spec.folds, setup.spec.fixed_statistics ? " fixed" : ""));
        body(setup, x, type);
      }
    }
  }
}

struct Numbers {
  Pair x, mean, var, gamma, beta;
  double slope;
  Numbers(const Setup& setup, const Shape& shape, DType type)
      : x(normal_pair(shape, type, 10 * setup.id, 0.3, 2.0)),
        gamma(normal_pair(Shape::vector(shape.c), DType::f32, 10 * setup.id + 1, 1.0, 0.3)),
        beta(normal_pair(Shape::vector(shape.c), DType::f32, 10 * setup.id + 2, 0.0, 0.3)),
        slope(setup.slope) {
    const Shape statistics = norm_statistics_shape(setup.spec, shape);
    const Tensor m = unwritten_exact(statistics), v = unwritten_exact(statistics);
    if (setup.spec.fixed_statistics) {
      mean = normal_pair(statistics, DType::f32, 10 * setup.id + 3);
      std::vector<double> ones(static_cast<std::size_t>(statistics.elements()), 1.5);
      var = pair_of(statistics, DType::f32, ones);
      return;
    }
    ref_backend().norm->norm_statistics(setup.spec, x.exact.cview(), m.view(), v.view());
    mean = pair_of(statistics, DType::f32, to_values(m));
    var = pair_of(statistics, DType::f32, to_values(v));
  }
  NormOperands operands() const {
    return {x.value.cview(),     mean.value.cview(), var.value.cview(),
            gamma.value.cview(), beta.value.cview(), slope};
  }
  NormOperands exact() const {
    return {x.exact.cview(),     mean.exact.cview(), var.exact.cview(),
            gamma.exact.cview(), beta.exact.cview(), slope};
  }
};

NormKernels& fast() { return *backend_of("onednn").norm; }
NormKernels& exact() { return *ref_backend().norm; }

}  // namespace

TEST_CASE("norm statistics, of large means too") {
  for (const auto& [average, deviation] : {std::pair{0.3, 2.0}, {1e4, 1.0}, {-1e4, 1.0}}) {
    for_each([&, average = average, deviation = deviation](const Setup& setup, const Shape& x, DType type) {
      if (setup.spec.fixed_statistics) return;
      INFO("mean ", average);
      const Pair in = normal_pair(x, type, setup.id, average, deviation);
      const Shape shape = norm_statistics_shape(setup.spec, x);
      const Tensor mean = unwritten_exact(shape), var = unwritten_exact(shape);
      exact().norm_statistics(setup.spec, in.exact.cview(), mean.view(), var.view());
      Tensor v;
      const Tensor m = for_any_threads([&] {
        Tensor made = unwritten(shape, DType::f32);
        v = unwritten(shape, DType::f32);
        fast().norm_statistics(setup.spec, in.value.cview(), made.view(), v.view());
        return made;
      });
      // A float's rounding of the mean, and float sums of what deviates.
      const double size = std::abs(average) + deviation;
      CHECK(relative_difference(to_values(m), to_values(mean), size) * size <=
            1e-7 * std::abs(average) + 2e-6 * deviation);
      // Element by element: a sum that cancels loses some channels, not all.
      const std::vector<double> got = to_values(v), expected = to_values(var);
      double worst = 0.0;
      for (std::size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, std::abs(got[i] - expected[i]) / (expected[i] + 1e-9));
      }
      CHECK(worst <= 2e-5);
    });
  }
}

TEST_CASE("norm forward: with and without a skip, a skip of fewer samples, in place") {
  for_each([&](const Setup& setup, const Shape& x, DType type) {
    const Numbers numbers(setup, x, type);
    for (const Index samples : {Index{0}, x.n, Index{1}}) {
      INFO("skip of ", samples, " samples");
      const Pair skip =
          samples > 0 ? normal_pair(x.with_batch(samples), type, setup.id + 100) : Pair{Tensor(), Tensor()};
      const Tensor expected = unwritten_exact(x);
      exact().norm_forward(setup.spec, numbers.exact(), skip.exact.cview(), expected.view());
      const Tensor y = for_any_threads([&] {
        Tensor made = unwritten(x, type);
        fast().norm_forward(setup.spec, numbers.operands(), skip.value.cview(), made.view());
        return made;
      });
      check_near(y, expected, bound_of(type));
      const Tensor over = pair_of(x, type, to_values(numbers.x.value)).value;
      NormOperands operands = numbers.operands();
      operands.x = over.cview();
      fast().norm_forward(setup.spec, operands, skip.value.cview(), over.view());
      CHECK(same_bytes(over, y));
    }
    if (x.n == 4) {  // two samples, over and over
      const Pair skip = normal_pair(x.with_batch(2), type, setup.id + 200);
      const Tensor expected = unwritten_exact(x), y = unwritten(x, type);
      exact().norm_forward(setup.spec, numbers.exact(), skip.exact.cview(), expected.view());
      fast().norm_forward(setup.spec, numbers.operands(), skip.value.cview(), y.view());
      check_near(y, expected, bound_of(type));
    }
  });
}

TEST_CASE("norm backward: sums, then dx written, added, and over dy") {
  for_each([&](const Setup& setup, const Shape& x, DType type) {
    const Numbers numbers(setup, x, type);
    const Pair dy = normal_pair(x, type, setup.id + 300);
    const Shape shape{x.n, 1, 1, 2, x.c};
    const Tensor sums = unwritten_exact(shape), dx = unwritten_exact(x);
    exact().norm_backward_sums(setup.spec, numbers.exact(), dy.exact.cview(), sums.view());
    exact().norm_backward_data(setup.spec, numbers.exact(), dy.exact.cview(), sums.cview(), dx.view(),
                               Accum::write);
    const Tensor s = for_any_threads([&] {
      Tensor made = unwritten(shape, DType::f32);
      fast().norm_backward_sums(setup.spec, numbers.operands(), dy.value.cview(), made.view());
      return made;
    });
    check_near(s, sums, 1e-5);
    const auto data = [&](const Tensor& gradient, const Tensor& into, Accum accum) {
      fast().norm_backward_data(setup.spec, numbers.operands(), gradient.cview(), s.cview(), into.view(),
                                accum);
    };
    const Tensor written = for_any_threads([&] {
      Tensor made = unwritten(x, type);
      data(dy.value, made, Accum::write);
      return made;
    });
    check_near(written, dx, bound_of(type));
    const Tensor over = pair_of(x, type, to_values(dy.value)).value;
    data(over, over, Accum::write);
    CHECK(same_bytes(over, written));

    const Pair before = normal_pair(x, type, setup.id + 400);
    exact().norm_backward_data(setup.spec, numbers.exact(), dy.exact.cview(), sums.cview(),
                               before.exact.view(), Accum::add);
    data(dy.value, before.value, Accum::add);
    check_near(before.value, before.exact, bound_of(type));
  });
}

}  // namespace duet::testing
