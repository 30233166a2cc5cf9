// Optimiser steps by hand and against the formulas written out in double.
#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<OptimiserKernels> kernels() { return make_ref_optimiser(); }

}  // namespace

TEST_CASE("SGD by hand: decay, momentum, clipping, nesterov") {
  for (const DType type : kTypes) {
    const Tensor g = values(Shape::vector(2), type, {2, -4});
    const Tensor m = values(Shape::vector(2), type, {0, 0}), p = values(Shape::vector(2), type, {10, 20});
    SgdStep step{.rate = 0.5, .momentum = 0.5, .weight_decay = 0.1, .nesterov = false};
    kernels()->sgd_step(step, 0.5, {{g.cview(), m.view(), p.view()}});
    check_values(m, {2, 0});  // 0.5 g + 0.1 p
    check_values(p, {9, 20});
    step.nesterov = true;
    kernels()->sgd_step(step, 1.0, {{g.cview(), m.view(), p.view()}});
    check_values(m, {3.9, -2});  // g' = 2.9, -2
    check_values(p, {9 - 0.5 * (2.9 + 1.95), 20 + 0.5 * (2 + 1)});
  }
}

TEST_CASE("AdamW by hand at its first step, and by its formula after") {
  for (const DType type : kTypes) {
    const double tolerance = type == DType::f32 ? 1e-5 : 1e-12;
    const Shape shape{3, 1, 1, 1, 7};
    const Tensor m = full(shape, type, 0), v = full(shape, type, 0), p = full(shape, type, 2);
    AdamWStep step{.rate = 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 0, .weight_decay = 0.5};
    const Tensor first = full(shape, type, -3);
    kernels()->adamw_step(step, 2.0, {{first.cview(), m.view(), v.view(), p.view()}});
    // At step 1 the corrected ratio is the sign of the gradient: p = 2 - 0.1 * 0.5 * 2 + 0.1.
    check_values(p, std::vector<double>(21, 2.0), tolerance);
    check_values(m, std::vector<double>(21, -0.6), tolerance);
    check_values(v, std::vector<double>(21, 0.36), tolerance);

    step.epsilon = 1e-3;
    double em = -0.6, ev = 0.36, ep = 2;
    for (step.t = 2; step.t < 6; ++step.t) {
      const double grad = 0.25 * static_cast<double>(step.t);
      const Tensor g = full(shape, type, grad);
      kernels()->adamw_step(step, 1.0, {{g.cview(), m.view(), v.view(), p.view()}});
      ep -= step.rate * step.weight_decay * ep;
      em = 0.9 * em + 0.1 * grad;
      ev = 0.99 * ev + 0.01 * grad * grad;
      const double t = static_cast<double>(step.t);
      const double corrected_m = em / (1 - std::pow(0.9, t)), corrected_v = ev / (1 - std::pow(0.99, t));
      ep -= step.rate * corrected_m / (std::sqrt(corrected_v) + step.epsilon);
    }
    check_values(p, std::vector<double>(21, ep), tolerance);
    step.t = 0;
    CHECK_THROWS_AS(kernels()->adamw_step(step, 1.0, {{first.cview(), m.view(), v.view(), p.view()}}),
                    EngineError);
  }
}

TEST_CASE("EMA by hand") {
  for (const DType type : kTypes) {
    const Tensor x = values(Shape::vector(3), type, {1, 2, 3}),
                 average = values(Shape::vector(3), type, {10, 20, 30});
    kernels()->ema_update(0.75, {{x.cview(), average.view()}});
    check_values(average, {7.75, 15.5, 23.25});
    kernels()->ema_update(0.0, {{x.cview(), average.view()}});
    check_values(average, {1, 2, 3});
    kernels()->ema_update(1.0, {{x.cview(), average.view()}});
    check_values(average, {1, 2, 3});
  }
}

TEST_CASE("optimisers do not depend on the number of threads; wrong shapes are named") {
  const Shape shape{64, 3, 3, 3, 33};
  const Tensor g = random(shape, DType::f32, 1);
  check_threads([&] {
    const Tensor p = random(shape, DType::f32, 2), m = full(shape, DType::f32, 0),
                 v = full(shape, DType::f32, 0);
    kernels()->adamw_step({}, 0.7, {{g.cview(), m.view(), v.view(), p.view()}});
    kernels()->sgd_step({}, 0.7, {{g.cview(), m.view(), p.view()}});
    kernels()->ema_update(0.9, {{g.cview(), p.view()}});
    return p;
  });
  const Tensor p = full(Shape::vector(3), DType::f32, 0), wide = full(Shape::vector(3), DType::f64, 0);
  CHECK_THROWS_AS(kernels()->ema_update(0.5, {{g.cview(), p.view()}}), EngineError);
  CHECK_THROWS_AS(kernels()->ema_update(0.5, {{wide.cview(), p.view()}}), EngineError);
  CHECK_THROWS_AS(kernels()->sgd_step({}, 1, {{p.cview(), g.view(), p.view()}}), EngineError);
}
