// Where batch norm's statistics come from, and which calls move the running ones.
#include <cmath>
#include <doctest/doctest.h>

#include "engine/ops/norm.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

const Shape kX{4, 2, 3, 2, 3};

Tensor input(Backend& backend) {
  return make_leaves(backend, {"norm modes", "", {{kX}}, nullptr}, DType::f32,
                     [](std::size_t) { return false; })
      .operands[0]
      .value();
}

RunningStatistics fresh(Backend& b) {
  return {b.filled(Shape::vector(3), DType::f32, 0.0), b.filled(Shape::vector(3), DType::f32, 1.0)};
}

// Mean and unbiased variance of channel c over samples [begin, end).
std::pair<double, double> moments(const Tensor& x, Index begin, Index end, std::size_t c) {
  const std::vector<double> values = to_values(x.samples(begin, end));
  double sum = 0.0, squares = 0.0;
  const double count = static_cast<double>(values.size()) / 3;
  for (std::size_t i = c; i < values.size(); i += 3) sum += values[i];
  for (std::size_t i = c; i < values.size(); i += 3) squares += std::pow(values[i] - sum / count, 2);
  return {sum / count, squares / (count - 1)};
}

}  // namespace

TEST_CASE("batch norm moves its running statistics in mode batch only") {
  for (const std::string& name : tested_backends()) {
    INFO(name);
    Backend& b = backend_of(name);
    const Var x = Var::constant(input(b));
    RunningStatistics running = fresh(b);
    norm(b, {}, NormMode::batch_no_update, x, {}, {}, &running);
    norm(b, {}, NormMode::running, x, {}, {}, &running);
    norm(b, {NormKind::instance}, NormMode::batch, x, {}, {}, &running);
    CHECK(to_values(running.mean) == std::vector<double>(3, 0.0));
    CHECK(to_values(running.var) == std::vector<double>(3, 1.0));
    norm(b, {}, NormMode::batch, x, {}, {}, &running);
    for (std::size_t c = 0; c < 3; ++c) {
      const auto [mean, var] = moments(x.value(), 0, 4, c);
      CHECK(to_values(running.mean)[c] == doctest::Approx(0.1 * mean).epsilon(1e-5));
      CHECK(to_values(running.var)[c] == doctest::Approx(0.9 + 0.1 * var).epsilon(1e-5));
    }
    // Folded passes move them once, by the mean over passes.
    RunningStatistics folded = fresh(b);
    norm(b, {NormKind::batch, 1e-5, 1, 2}, NormMode::batch, x, {}, {}, &folded);
    for (std::size_t c = 0; c < 3; ++c) {
      const auto [mean_a, var_a] = moments(x.value(), 0, 2, c);
      const auto [mean_b, var_b] = moments(x.value(), 2, 4, c);
      CHECK(to_values(folded.mean)[c] == doctest::Approx(0.05 * (mean_a + mean_b)).epsilon(1e-5));
      CHECK(to_values(folded.var)[c] == doctest::Approx(0.9 + 0.05 * (var_a + var_b)).epsilon(1e-5));
    }
  }
}

TEST_CASE("folds of a batch norm are passes of their own") {
  for (const std::string& name : tested_backends()) {
    INFO(name);
    Backend& b = backend_of(name);
    const Tensor x = input(b);
    const Var whole =
        norm(b, {NormKind::batch, 1e-5, 1, 2}, NormMode::batch_no_update, Var::constant(x), {}, {});
    for (Index fold = 0; fold < 2; ++fold) {
      const Var part = Var::constant(x.samples(2 * fold, 2 * fold + 2));
      const Tensor alone = norm(b, {}, NormMode::batch_no_update, part, {}, {}).value();
      CHECK(relative_difference(whole.value().samples(2 * fold, 2 * fold + 2), alone) <= 1e-6);
    }
  }
}

}  // namespace duet::testing
