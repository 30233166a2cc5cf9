// The reference softmax, losses and reductions: small cases by hand, larger ones against the formula in
// double.
#include <limits>

#include "engine/backend/ref/exponential.h"
#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<LossKernels> kernels() { return make_ref_loss(poisoned()); }
double tolerance(DType type) { return type == DType::f32 ? 3e-6 : 1e-12; }
Tensor scalar(DType type, double value) { return full(Shape::scalar(), type, value); }

std::vector<double> softmax_of(const Tensor& x, bool log) {
  std::vector<double> v = to_values(x);
  const auto channels = static_cast<std::size_t>(x.shape().c);
  for (std::size_t row = 0; row < v.size(); row += channels) {
    double m = v[row], sum = 0;
    for (std::size_t c = 0; c < channels; ++c) m = std::max(m, v[row + c]);
    for (std::size_t c = 0; c < channels; ++c) sum += std::exp(v[row + c] - m);
    for (std::size_t c = 0; c < channels; ++c) {
      v[row + c] = log ? v[row + c] - m - std::log(sum) : std::exp(v[row + c] - m) / sum;
    }
  }
  return v;
}

// Voxel weights with zeros, and a target of either kind with its shares.
struct Problem {
  Tensor scores, weights, target;
  std::vector<double> w, t;
};

Problem problem(const Shape& shape, DType type, bool soft) {
  Problem p{random(shape, type, 1), random(shape.with_channels(1), type, 2), {}, {}, {}};
  p.w = to_values(p.weights);
  for (double& w : p.w) w = w > 0 ? w : 0;
  p.weights = values(shape.with_channels(1), type, p.w);
  p.w = to_values(p.weights);
  if (soft) {
    p.target = random(shape, type, 3);
    p.t = to_values(p.target);
    for (double& t : p.t) t = std::abs(t);  // need not sum to 1
    p.target = values(shape, type, p.t);
  } else {
    std::vector<double> classes(p.w.size());
    p.t.assign(p.w.size() * static_cast<std::size_t>(shape.c), 0.0);
    for (std::size_t v = 0; v < classes.size(); ++v) {
      const std::size_t k = v * 7 % static_cast<std::size_t>(shape.c);
      classes[v] = static_cast<double>(k);
      p.t[v * static_cast<std::size_t>(shape.c) + k] = 1;
    }
    p.target = values(shape.with_channels(1), DType::u8, classes);
  }
  return p;
}

const Shape kShapes[] = {{2, 1, 3, 5, 1}, {2, 1, 3, 5, 2},  {1, 3, 3, 3, 3},
                         {1, 1, 3, 3, 4}, {1, 1, 2, 3, 37}, {2, 17, 29, 31, 2}};

}  // namespace

TEST_CASE("exp of what is not positive") {
  for (float x = 0.0f; x > -87.3f; x -= 0.00371f) {
    const double expected = std::exp(static_cast<double>(x));
    REQUIRE(std::abs(static_cast<double>(ref::exp_nonpositive(x)) - expected) <= 2.5e-7 * expected);
  }
  CHECK(ref::exp_nonpositive(0.0f) == 1.0f);
  CHECK(ref::exp_nonpositive(-std::numeric_limits<float>::infinity()) == 0.0f);
  CHECK(ref::exp_nonpositive(-1000.0f) == 0.0f);
  CHECK(std::isnan(ref::exp_nonpositive(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("softmax and its logarithm") {
  for (const DType type : kTypes) {
    const double odds = std::log(3.0);
    const Tensor x = values({1, 1, 1, 2, 2}, type, {odds, 0, 0, odds});
    kernels()->softmax_forward(x.view(), x.view());  // in place
    check_values(x, {0.75, 0.25, 0.25, 0.75});
    const Tensor far = values({1, 1, 1, 2, 2}, type, {1e4, 0, -1e4, -1e4}),
                 y = garbage({1, 1, 1, 2, 2}, type);
    kernels()->softmax_forward(far.view(), y.view());
    check_values(y, {1, 0, 0.5, 0.5});
    kernels()->log_softmax_forward(far.view(), far.view());  // in place
    check_values(far, {0, -1e4, std::log(0.5), std::log(0.5)});
    for (const Shape& shape : kShapes) {
      CAPTURE(shape);
      const Tensor z = random(shape, type, 1), p = garbage(shape, type), log_p = garbage(shape, type);
      kernels()->softmax_forward(z.view(), p.view());
      check_values(p, softmax_of(z, false), tolerance(type));
      kernels()->log_softmax_forward(z.view(), log_p.view());
      check_values(log_p, softmax_of(z, true), tolerance(type));

      const Tensor dy = random(shape, type, 2);
      const std::vector<double> ps = to_values(p), g = to_values(dy);
      std::vector<double> dx(ps.size()), log_dx(ps.size());
      const auto channels = static_cast<std::size_t>(shape.c);
      for (std::size_t i = 0; i < ps.size(); ++i) {
        double weighted = 0, sum = 0;
        for (std::size_t k = i - i % channels; k < i - i % channels + channels; ++k) {
          weighted += ps[k] * g[k];
          sum += g[k];
        }
        dx[i] = ps[i] * (g[i] - weighted);
        log_dx[i] = g[i] - ps[i] * sum;
      }
      check_accum(
          shape, type, dx, [&](View d, Accum m) { kernels()->softmax_backward(p.view(), dy.view(), d, m); },
          tolerance(type));
      check_accum(
          shape, type, log_dx,
          [&](View d, Accum m) { kernels()->log_softmax_backward(log_p.view(), dy.view(), d, m); },
          tolerance(type));
    }
  }
}

TEST_CASE("cross entropy") {
  for (const DType type : kTypes) {
    for (const Shape& shape : kShapes) {
      for (const bool soft : {false, true}) {
        for (const bool weighted : {false, true}) {
          CAPTURE(shape);
          CAPTURE(soft);
          Problem p = problem(shape, type, soft);
          if (!weighted) p.w.assign(p.w.size(), 1.0);
          const ConstView weights = weighted ? p.weights.view() : ConstView{};
          const std::vector<double> q = softmax_of(p.scores, false), log_q = softmax_of(p.scores, true);
          const auto channels = static_cast<std::size_t>(shape.c);
          double loss = 0;
          std::vector<double> gradient(q.size());
          for (std::size_t i = 0; i < q.size(); ++i) {
            const std::size_t v = i / channels;
            double sum = 0;
            for (std::size_t c = 0; c < channels; ++c) sum += p.t[v * channels + c];
            loss -= p.w[v] * p.t[i] * log_q[i] / 5.0;
            gradient[i] = 2.0 * p.w[v] / 5.0 * (q[i] * sum - p.t[i]);
          }
          const Tensor out = garbage(Shape::scalar(), type), den = scalar(type, 5), dloss = scalar(type, 2);
          auto forward = [&] {
            const Tensor y = garbage(Shape::scalar(), type);
            kernels()->cross_entropy_forward(p.scores.view(), {p.target.view()}, weights, den.view(),
                                             y.view());
            return y;
          };
          check_values(forward(), {loss}, tolerance(type));
          check_threads(forward);
          check_accum(
              shape, type, gradient,
              [&](View d, Accum m) {
                kernels()->cross_entropy_backward(p.scores.view(), {p.target.view()}, weights, den.view(),
                                                  dloss.view(), d, m);
              },
              tolerance(type));
        }
      }
    }
  }
}

TEST_CASE("cross entropy: far logits are finite, a class that is not there is refused") {
  for (const DType type : kTypes) {
    const Shape shape{1, 1, 1, 2, 2};
    const Tensor z = values(shape, type, {1e4, -1e4, 5, 5}), one = scalar(type, 1),
                 loss = garbage(Shape::scalar(), type);
    const Tensor classes = values(shape.with_channels(1), DType::u8, {1, 0});
    kernels()->cross_entropy_forward(z.view(), {classes.view()}, {}, one.view(), loss.view());
    check_values(loss, {2e4 + std::log(2.0)});
    const Tensor bad = values(shape.with_channels(1), DType::u8, {0, 2}),
                 w = values(shape.with_channels(1), type, {1, 0});
    const Tensor d = garbage(shape, type), sums = garbage({1, 1, 1, 3, 2}, DType::f64);
    CHECK_THROWS_AS(
        kernels()->cross_entropy_forward(z.view(), {bad.view()}, w.view(), one.view(), loss.view()),
        EngineError);
    CHECK_THROWS_AS(kernels()->cross_entropy_backward(z.view(), {bad.view()}, w.view(), one.view(),
                                                      one.view(), d.view(), Accum::write),
                    EngineError);
    CHECK_THROWS_AS(kernels()->dice_forward({}, z.view(), {bad.view()}, w.view(), sums.view(), loss.view()),
                    EngineError);
  }
}

TEST_CASE("Dice by hand") {
  for (const DType type : kTypes) {
    const Shape shape{1, 1, 1, 2, 2};
    const Tensor p = values(shape, type, {0.5, 0.5, 0.25, 0.75}),
                 t = values(shape.with_channels(1), DType::u8, {0, 1});
    const Tensor sums = garbage({1, 1, 1, 3, 2}, DType::f64), loss = garbage(Shape::scalar(), type);
    kernels()->dice_forward({.epsilon = 0.0}, p.view(), {t.view()}, {}, sums.view(), loss.view());
    check_values(sums, {0.5, 0.75, 0.75, 1.25, 1, 1});
    check_values(loss, {1 - 1.5 / 2.25});
    kernels()->dice_forward({.epsilon = 0.0, .background = true}, p.view(), {t.view()}, {}, sums.view(),
                            loss.view());
    check_values(loss, {1 - (1.0 / 1.75 + 1.5 / 2.25) / 2});
  }
}

TEST_CASE("Dice against the formula") {
  for (const DType type : kTypes) {
    for (const Shape& shape : kShapes) {
      for (const bool soft : {false, true}) {
        for (const bool background : {false, true}) {
          if (shape.c == 1 && !background) continue;
          CAPTURE(shape);
          const Problem p = problem(shape, type, soft);
          const Tensor scores = garbage(shape, type);
          kernels()->softmax_forward(p.scores.view(), scores.view());
          const std::vector<double> q = to_values(scores);
          const auto channels = static_cast<std::size_t>(shape.c), first = std::size_t{background ? 0u : 1u};
          std::vector<double> sums(3 * channels, 0.0), gradient(q.size(), 0.0);
          for (std::size_t i = 0; i < q.size(); ++i) {
            const double w = p.w[i / channels];
            const std::size_t c = i % channels;
            sums[c] += w * q[i] * p.t[i];
            sums[channels + c] += w * q[i];
            sums[2 * channels + c] += w * p.t[i];
          }
          const double eps = 0.1, classes = static_cast<double>(channels - first);
          double loss = 0;
          for (std::size_t c = first; c < channels; ++c) {
            const double top = 2 * sums[c] + eps, bottom = sums[channels + c] + sums[2 * channels + c] + eps;
            loss += (1 - top / bottom) / classes;
            for (std::size_t i = c; i < q.size(); i += channels) {
              gradient[i] = 3.0 * p.w[i / channels] * (top / bottom - 2 * p.t[i]) / bottom / classes;
            }
          }
          const DiceSpec spec{.epsilon = eps, .background = background};
          const Tensor sum = garbage({1, 1, 1, 3, shape.c}, DType::f64), dloss = scalar(type, 3);
          auto forward = [&] {
            const Tensor y = garbage(Shape::scalar(), type);
            kernels()->dice_forward(spec, scores.view(), {p.target.view()}, p.weights.view(), sum.view(),
                                    y.view());
            return y;
          };
          check_values(forward(), {loss}, tolerance(type));
          check_values(sum, sums, tolerance(type));
          check_threads(forward);
          check_accum(
              shape, type, gradient,
              [&](View d, Accum m) {
                kernels()->dice_backward(spec, {p.target.view()}, p.weights.view(), sum.view(), dloss.view(),
                                         d, m);
              },
              tolerance(type));
        }
      }
    }
  }
}

TEST_CASE("squared error") {
  for (const DType type : kTypes) {
    for (const Shape& shape : kShapes) {
      const Problem p = problem(shape, type, true);
      const Tensor den = scalar(type, 5), dloss = scalar(type, 3);
      const std::vector<double> a = to_values(p.scores), b = to_values(p.target);
      const auto channels = static_cast<std::size_t>(shape.c);
      for (const bool weighted : {false, true}) {
        const ConstView weights = weighted ? p.weights.view() : ConstView{};
        double loss = 0;
        std::vector<double> gradient(a.size());
        for (std::size_t i = 0; i < a.size(); ++i) {
          const double w = weighted ? p.w[i / channels] : 1.0, n = 5.0 * static_cast<double>(channels);
          loss += w * (a[i] - b[i]) * (a[i] - b[i]) / n;
          gradient[i] = 6.0 * w * (a[i] - b[i]) / n;
        }
        auto forward = [&] {
          const Tensor y = garbage(Shape::scalar(), type);
          kernels()->squared_error_forward(p.scores.view(), p.target.view(), weights, den.view(), y.view());
          return y;
        };
        check_values(forward(), {loss}, tolerance(type));
        check_threads(forward);
        check_accum(
            shape, type, gradient,
            [&](View d, Accum m) {
              kernels()->squared_error_backward(p.scores.view(), p.target.view(), weights, den.view(),
                                                dloss.view(), d, m);
            },
            tolerance(type));
      }
    }
  }
}

TEST_CASE("reductions and their transposes, along every choice of axes") {
  for (const DType type : kTypes) {
    for (const Shape& shape : {Shape{3, 2, 3, 5, 4}, Shape{2, 1, 3, 5, 1}, Shape{2, 17, 29, 31, 3}}) {
      for (int axes = 0; axes < 8; ++axes) {
        CAPTURE(shape);
        CAPTURE(axes);
        const Reduction reduction{(axes & 1) != 0, (axes & 2) != 0, (axes & 4) != 0};
        Shape small = shape;
        if (reduction.n) small.n = 1;
        if (reduction.space) small.d = small.h = small.w = 1;
        if (reduction.c) small.c = 1;
        const Tensor x = random(shape, type, 1), y = random(small, type, 2);
        const std::vector<double> xs = to_values(x), ys = to_values(y);
        std::vector<double> sums(ys.size(), 0.0), spread(xs.size());
        for (std::size_t i = 0; i < xs.size(); ++i) {
          const Index at = static_cast<Index>(i), c = at % shape.c, v = at / shape.c % shape.voxels();
          const Index n = at / shape.c / shape.voxels();
          const Index to = ((reduction.n ? 0 : n) * small.voxels() + (reduction.space ? 0 : v)) * small.c +
                           (reduction.c ? 0 : c);
          sums[static_cast<std::size_t>(to)] += 0.5 * xs[i];
          spread[i] = 0.5 * ys[static_cast<std::size_t>(to)];
        }
        check_accum(
            small, type, sums,
            [&](View d, Accum m) { kernels()->reduce_sum(reduction, x.view(), 0.5, d, m); }, tolerance(type));
        check_accum(
            shape, type, spread,
            [&](View d, Accum m) { kernels()->broadcast(reduction, y.view(), 0.5, d, m); }, tolerance(type));
        check_threads([&] {
          const Tensor d = garbage(small, type);
          kernels()->reduce_sum(reduction, x.view(), 0.5, d.view(), Accum::write);
          return d;
        });
      }
    }
  }
}

TEST_CASE("dot") {
  for (const DType type : kTypes) {
    for (const Shape& shape : {Shape{1, 1, 1, 1, 1}, Shape{1, 1, 3, 3, 3}, Shape{2, 17, 29, 31, 3}}) {
      const Tensor a = random(shape, type, 1), b = random(shape, type, 2);
      check_accum(
          Shape::scalar(), DType::f64, {inner(a, b)},
          [&](View d, Accum m) { kernels()->dot(a.view(), b.view(), d, m); }, 1e-12);
      check_threads([&] {
        const Tensor d = garbage(Shape::scalar(), DType::f64);
        kernels()->dot(a.view(), b.view(), d.view(), Accum::write);
        return d;
      });
    }
  }
}
