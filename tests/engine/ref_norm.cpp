// The reference normalisation against the formula, written out again in double, and by hand.
#include <limits>

#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<NormKernels> kernels() { return make_ref_norm(poisoned()); }

double tolerance(DType type) { return type == DType::f32 ? 2e-5 : 1e-10; }

struct Case {
  NormSpec spec;
  Shape shape;
};

std::vector<Case> cases() {
  return {{{.kind = NormKind::batch}, {3, 2, 3, 5, 3}},
          {{.kind = NormKind::batch, .folds = 2}, {4, 1, 5, 7, 2}},
          {{.kind = NormKind::instance}, {2, 3, 3, 3, 1}},
          {{.kind = NormKind::instance}, {2, 21, 23, 19, 17}},  // several chunks
          {{.kind = NormKind::group, .groups = 2}, {2, 1, 5, 3, 6}},
          {{.kind = NormKind::group, .groups = 1}, {1, 2, 2, 2, 70}}};
}

// Set of statistics that element i of x belongs to.
Index set_of(const Case& c, Index i) {
  const Index sample = i / (c.shape.voxels() * c.shape.c), channel = i % c.shape.c;
  switch (c.spec.kind) {
    case NormKind::batch:
      return sample / (c.shape.n / c.spec.folds) * c.shape.c + channel;
    case NormKind::instance:
      return sample * c.shape.c + channel;
    case NormKind::group:
      return sample * c.spec.groups + channel / (c.shape.c / c.spec.groups);
  }
  return 0;
}

// Means over the values of one mean, by two passes.
std::vector<double> means(const Case& c, const std::vector<double>& v) {
  const Shape shape = norm_statistics_shape(c.spec, c.shape);
  std::vector<double> sum(static_cast<std::size_t>(shape.elements()), 0.0), count(sum);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const auto at = static_cast<std::size_t>(set_of(c, static_cast<Index>(i)));
    sum[at] += v[i];
    count[at] += 1;
  }
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] /= count[k];
  return sum;
}

std::size_t set_at(const Case& c, std::size_t i) {
  return static_cast<std::size_t>(set_of(c, static_cast<Index>(i)));
}

struct Statistics {
  Tensor mean, var;
};

Statistics statistics(const Case& c, const Tensor& x) {
  const Shape shape = norm_statistics_shape(c.spec, c.shape);
  Statistics s{garbage(shape, x.dtype()), garbage(shape, x.dtype())};
  kernels()->norm_statistics(c.spec, x.view(), s.mean.view(), s.var.view());
  return s;
}

}  // namespace

TEST_CASE("norm: two voxels by hand") {
  for (const DType type : kTypes) {
    const Case c{{.kind = NormKind::batch, .epsilon = 0.0}, {1, 1, 1, 2, 2}};
    const Tensor x = values(c.shape, type, {1, 10, 3, 30});
    const Statistics s = statistics(c, x);
    check_values(s.mean, {2, 20});
    check_values(s.var, {1, 100});
    const Tensor gamma = values(Shape::vector(2), type, {2, 1}),
                 beta = values(Shape::vector(2), type, {0.5, -1});
    const Tensor y = garbage(c.shape, type);
    kernels()->norm_forward(c.spec, {x.view(), s.mean.view(), s.var.view(), gamma.view(), beta.view()}, {},
                            y.view());
    check_values(y, {-1.5, -2, 2.5, 0});
    kernels()->norm_forward(c.spec, {x.view(), s.mean.view(), s.var.view(), {}, {}}, {},
                            x.view());  // in place
    check_values(x, {-1, -1, 1, 1});
  }
}

TEST_CASE("norm: every kind against the formula") {
  for (const DType type : kTypes) {
    for (const Case& c : cases()) {
      CAPTURE(c.shape);
      const Index channels = c.shape.c;
      const Tensor x = random(c.shape, type, 1), dy = random(c.shape, type, 2);
      const Tensor gamma = random(Shape::vector(channels), type, 3),
                   beta = random(Shape::vector(channels), type, 4);
      const std::vector<double> xs = to_values(x), g = to_values(dy), gs = to_values(gamma),
                                bs = to_values(beta);

      const std::vector<double> mean = means(c, xs);
      std::vector<double> squares(xs.size());
      for (std::size_t i = 0; i < xs.size(); ++i) squares[i] = std::pow(xs[i] - mean[set_at(c, i)], 2);
      const std::vector<double> var = means(c, squares);
      const Statistics s = statistics(c, x);
      check_values(s.mean, mean, tolerance(type));
      check_values(s.var, var, tolerance(type));

      std::vector<double> r(var.size()), xhat(xs.size()), y(xs.size()), gdy(xs.size()), gdyx(xs.size());
      for (std::size_t k = 0; k < var.size(); ++k) r[k] = 1 / std::sqrt(var[k] + c.spec.epsilon);
      for (std::size_t i = 0; i < xs.size(); ++i) {
        const std::size_t at = set_at(c, i), channel = i % static_cast<std::size_t>(channels);
        xhat[i] = (xs[i] - mean[at]) * r[at];
        y[i] = xhat[i] * gs[channel] + bs[channel];
        gdy[i] = gs[channel] * g[i];
        gdyx[i] = gdy[i] * xhat[i];
      }
      const Tensor out = garbage(c.shape, type);
      const NormOperands in{x.view(), s.mean.view(), s.var.view(), gamma.view(), beta.view()};
      kernels()->norm_forward(c.spec, in, {}, out.view());
      check_values(out, y, tolerance(type));

      // Sums of each sample and channel.
      const auto stride = static_cast<std::size_t>(c.shape.voxels() * channels);
      std::vector<double> sums(static_cast<std::size_t>(2 * c.shape.n * channels), 0.0);
      std::vector<double> dgamma(static_cast<std::size_t>(channels), 0.0), dbeta(dgamma);
      for (std::size_t i = 0; i < xs.size(); ++i) {
        const std::size_t sample = i / stride, channel = i % static_cast<std::size_t>(channels);
        sums[2 * sample * dbeta.size() + channel] += g[i];
        sums[(2 * sample + 1) * dbeta.size() + channel] += g[i] * xhat[i];
        dbeta[channel] += g[i];
        dgamma[channel] += g[i] * xhat[i];
      }
      const Tensor sum = garbage({c.shape.n, 1, 1, 2, channels}, type);
      kernels()->norm_backward_sums(c.spec, in, dy.view(), sum.view());
      check_values(sum, sums, 20 * tolerance(type));
      const Tensor other = garbage(Shape::vector(channels), type);
      check_accum(
          Shape::vector(channels), type, dgamma,
          [&](View d, Accum a) {
            kernels()->norm_backward_parameters(sum.view(), d, a, other.view(), Accum::write);
          },
          20 * tolerance(type));
      check_accum(
          Shape::vector(channels), type, dbeta,
          [&](View d, Accum a) { kernels()->norm_backward_parameters(sum.view(), {}, Accum::write, d, a); },
          20 * tolerance(type));

      const std::vector<double> a = means(c, gdy), b = means(c, gdyx);
      std::vector<double> dx(xs.size());
      for (std::size_t i = 0; i < xs.size(); ++i) {
        const std::size_t at = set_at(c, i);
        dx[i] = r[at] * (gdy[i] - a[at] - xhat[i] * b[at]);
      }
      auto backward = [&](const Tensor& from, View to, Accum accum) {
        kernels()->norm_backward_data(c.spec, in, from.view(), sum.view(), to, accum);
      };
      check_accum(
          c.shape, type, dx, [&](View d, Accum accum) { backward(dy, d, accum); }, tolerance(type));
      backward(dy, dy.view(), Accum::write);  // in place
      check_values(dy, dx, tolerance(type));
    }
  }
}

TEST_CASE("norm: fixed statistics are constants") {
  for (const DType type : kTypes) {
    const NormSpec spec{.kind = NormKind::batch, .epsilon = 0.0, .fixed_statistics = true};
    const Shape shape{2, 1, 1, 1, 1};
    const Tensor x = values(shape, type, {3, 5}), dy = values(shape, type, {1, 2});
    const Tensor mean = values(Shape::scalar(), type, {1}), var = values(Shape::scalar(), type, {4});
    const Tensor y = garbage(shape, type), sums = garbage({2, 1, 1, 2, 1}, type);
    const NormOperands in{x.view(), mean.view(), var.view(), {}, {}};
    kernels()->norm_forward(spec, in, {}, y.view());
    check_values(y, {1, 2});
    kernels()->norm_backward_sums(spec, in, dy.view(), sums.view());
    check_values(sums, {1, 1, 2, 4});
    check_accum(shape, type, {0.5, 1}, [&](View dx, Accum a) {
      kernels()->norm_backward_data(spec, in, dy.view(), sums.view(), dx, a);
    });
  }
}

TEST_CASE("norm: running statistics") {
  for (const DType type : kTypes) {
    const Tensor mean = values({2, 1, 1, 1, 2}, type, {1, 2, 3, 4}),
                 var = values({2, 1, 1, 1, 2}, type, {2, 4, 4, 8});
    const Tensor running = values(Shape::vector(2), type, {10, 20}),
                 spread = values(Shape::vector(2), type, {1, 1});
    kernels()->norm_update_running(mean.view(), var.view(), 4, 0.1, running.view(), spread.view());
    check_values(running, {9.2, 18.3});
    check_values(spread, {1.3, 1.7});  // 0.9 + 0.1 * (4 / 3) * {3, 6}
  }
}

TEST_CASE("norm: a mean far above the deviation") {
  const Case c{{.kind = NormKind::batch}, {2, 16, 32, 32, 3}};
  const Tensor noise = random(c.shape, DType::f64, 9);
  std::vector<double> v = to_values(noise);
  for (double& each : v) each = static_cast<float>(1e4 + std::sqrt(3.0) * each);
  const std::vector<double> mean = means(c, v);
  std::vector<double> squares(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) squares[i] = std::pow(v[i] - mean[set_at(c, i)], 2);
  const Statistics s = statistics(c, values(c.shape, DType::f32, v));
  check_values(s.mean, mean, 1e-7);
  check_values(s.var, means(c, squares), 1e-6);
}

TEST_CASE("norm: any number of threads gives the same bytes") {
  const Case c{{.kind = NormKind::batch}, {2, 20, 20, 21, 5}};
  const Tensor x = random(c.shape, DType::f32, 1), dy = random(c.shape, DType::f32, 2);
  check_threads([&] { return statistics(c, x).mean; });
  check_threads([&] { return statistics(c, x).var; });
  const Statistics s = statistics(c, x);
  check_threads([&] {
    const Tensor sums = garbage({2, 1, 1, 2, 5}, DType::f32);
    kernels()->norm_backward_sums(c.spec, {x.view(), s.mean.view(), s.var.view(), {}, {}}, dy.view(),
                                  sums.view());
    return sums;
  });
}

TEST_CASE("norm: what does not fit is refused") {
  const Tensor x = full({1, 1, 1, 2, 3}, DType::f32, 1), wrong = full(Shape::vector(2), DType::f32, 1);
  CHECK_THROWS_AS(kernels()->norm_statistics({}, x.view(), wrong.view(), wrong.view()), EngineError);
  const Tensor classes = garbage({1, 1, 1, 2, 3}, DType::u8), m = full(Shape::vector(3), DType::f32, 1);
  CHECK_THROWS_AS(kernels()->norm_statistics({}, classes.view(), m.view(), m.view()), EngineError);
}
