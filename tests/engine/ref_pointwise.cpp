// The reference pointwise kernels by hand, and dropout against the definition of its mask.
#include <limits>

#include "engine/kernels/functors.h"
#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<PointwiseKernels> kernels() { return make_ref_pointwise(poisoned()); }

// Element by element, as the contract says it.
std::vector<double> dropped(const DropoutSpec& spec, const Tensor& x) {
  std::vector<double> y = to_values(x);
  const Shape& shape = x.shape();
  const Index of_sample = shape.voxels() * shape.c, batch = spec.batch == 0 ? shape.n : spec.batch;
  const functors::DropoutMask mask{spec.key, static_cast<std::uint64_t>(std::llround(spec.p * 4294967296.0))};
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Index n = static_cast<Index>(i) / of_sample, element = static_cast<Index>(i) % of_sample;
    const Index at = spec.channels ? element % shape.c : element;
    const bool keep =
        mask.keep(static_cast<std::uint32_t>(n / batch),
                  static_cast<std::uint32_t>(spec.first_sample + n % batch), static_cast<std::uint64_t>(at));
    y[i] = keep ? y[i] / (1 - spec.p) : 0;
  }
  return y;
}

}  // namespace

TEST_CASE("fill: every type") {
  for (const DType type : {DType::f32, DType::f64, DType::u8, DType::i32}) {
    const Tensor y = garbage({1, 1, 3, 5, 7}, type);
    kernels()->fill(y.view(), 3);
    check_values(y, std::vector<double>(105, 3.0));
  }
}

TEST_CASE("scale, scale_by, add, multiply by hand") {
  for (const DType type : kTypes) {
    const Shape shape{1, 1, 1, 3, 1};
    const Tensor a = values(shape, type, {1, -2, 3}), b = values(shape, type, {4, 5, -6});
    const Tensor factor = values(Shape::scalar(), type, {-0.5});
    check_accum(shape, type, {2, -4, 6}, [&](View y, Accum m) { kernels()->scale(a.view(), 2, y, m); });
    check_accum(shape, type, {-0.5, 1, -1.5},
                [&](View y, Accum m) { kernels()->scale_by(a.view(), factor.view(), y, m); });
    check_accum(shape, type, {4, -10, -18},
                [&](View y, Accum m) { kernels()->multiply(a.view(), b.view(), y, m); });
    const Tensor y = garbage(shape, type);
    kernels()->add(a.view(), b.view(), y.view());
    check_values(y, {5, 3, -3});
    kernels()->add(a.view(), y.view(), y.view());  // in place
    check_values(y, {6, 1, 0});
    kernels()->scale(y.view(), 3, y.view(), Accum::write);
    check_values(y, {18, 3, 0});
    const Tensor wrong = garbage({1, 1, 1, 1, 3}, type);
    CHECK_THROWS_AS(kernels()->add(a.view(), b.view(), wrong.view()), EngineError);
  }
}

TEST_CASE("leaky ReLU by hand") {
  for (const DType type : kTypes) {
    const Shape shape{1, 1, 1, 2, 2};
    const Tensor x = values(shape, type, {-2, 0, 3, -1}), dy = values(shape, type, {1, 2, 3, 4});
    const Tensor y = garbage(shape, type);
    kernels()->leaky_relu_forward(x.view(), 0, y.view());
    check_values(y, {0, 0, 3, 0});
    kernels()->leaky_relu_forward(x.view(), 0.25, x.view());  // in place
    check_values(x, {-0.5, 0, 3, -0.25});
    check_accum(shape, type, {0.25, 0.5, 3, 1},
                [&](View dx, Accum m) { kernels()->leaky_relu_backward(x.view(), dy.view(), 0.25, dx, m); });
    kernels()->leaky_relu_backward(x.view(), dy.view(), 0.25, dy.view(), Accum::write);  // in place
    check_values(dy, {0.25, 0.5, 3, 1});
  }
}

TEST_CASE("PReLU by hand, a slope a channel and one slope") {
  for (const DType type : kTypes) {
    const Shape shape{1, 1, 1, 2, 2};
    const Tensor x = values(shape, type, {-2, 4, 3, -1}), dy = values(shape, type, {1, 2, 3, 5});
    const Tensor each = values(Shape::vector(2), type, {0.5, 0.1}),
                 one = values(Shape::scalar(), type, {0.5});
    const Tensor y = garbage(shape, type);
    kernels()->prelu_forward(x.view(), each.view(), y.view());
    check_values(y, {-1, 4, 3, -0.1});
    kernels()->prelu_forward(x.view(), one.view(), y.view());
    check_values(y, {-1, 4, 3, -0.5});
    check_accum(shape, type, {0.5, 2, 3, 0.5}, [&](View dx, Accum m) {
      kernels()->prelu_backward_data(x.view(), dy.view(), each.view(), dx, m);
    });
    check_accum(Shape::vector(2), type, {-2, -5},
                [&](View d, Accum m) { kernels()->prelu_backward_slope(x.view(), dy.view(), d, m); });
    check_accum(Shape::scalar(), type, {-7},
                [&](View d, Accum m) { kernels()->prelu_backward_slope(x.view(), dy.view(), d, m); });
    const Tensor wrong = full(Shape::vector(3), type, 1);
    CHECK_THROWS_AS(kernels()->prelu_forward(x.view(), wrong.view(), y.view()), EngineError);
  }
}

TEST_CASE("PReLU over many chunks") {
  const Shape shape{2, 17, 19, 23, 3};
  const Tensor x = random(shape, DType::f64, 1), dy = random(shape, DType::f64, 2);
  std::vector<double> expected(3, 0.0);
  const std::vector<double> xs = to_values(x), g = to_values(dy);
  for (std::size_t i = 0; i < xs.size(); ++i) expected[i % 3] += xs[i] > 0 ? 0 : xs[i] * g[i];
  auto gradient = [&] {
    const Tensor d = garbage(Shape::vector(3), DType::f64);
    kernels()->prelu_backward_slope(x.view(), dy.view(), d.view(), Accum::write);
    return d;
  };
  check_values(gradient(), expected, 1e-12);
  check_threads(gradient);
}

TEST_CASE("dropout follows its mask") {
  const PhiloxKey key{.seed = 5, .stream = Stream::dropout, .layer = 3, .step = 7, .pass = 2};
  for (const DType type : kTypes) {
    for (const Shape& shape : {Shape{4, 1, 3, 5, 3}, Shape{2, 18, 33, 31, 1}, Shape{1, 1, 1, 1, 130}}) {
      for (const bool channels : {true, false}) {
        for (const Index batch : {Index{0}, shape.n > 1 ? shape.n / 2 : Index{1}}) {
          const DropoutSpec spec{
              .key = key, .p = 0.3, .channels = channels, .batch = batch, .first_sample = 1};
          const Tensor x = random(shape, type, 4);
          const std::vector<double> expected = dropped(spec, x);
          check_accum(shape, type, expected,
                      [&](View y, Accum m) { kernels()->dropout(spec, x.view(), y, m); });
          check_threads([&] {
            const Tensor y = garbage(shape, type);
            kernels()->dropout(spec, x.view(), y.view(), Accum::write);
            return y;
          });
          kernels()->dropout(spec, x.view(), x.view(), Accum::write);  // in place
          check_values(x, expected);
        }
      }
    }
  }
}

TEST_CASE("dropout: nothing dropped, all dropped, a NaN that is dropped") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType type : kTypes) {
    const Shape shape{1, 1, 2, 3, 3};
    const Tensor x = random(shape, type, 4), bad = full(shape, type, nan), y = garbage(shape, type);
    for (const bool channels : {true, false}) {
      kernels()->dropout({.key = {}, .p = 0.0, .channels = channels}, x.view(), y.view(), Accum::write);
      CHECK(same_bytes(x, y));
      kernels()->dropout({.key = {}, .p = 1.0, .channels = channels}, bad.view(), y.view(), Accum::write);
      check_values(y, std::vector<double>(18, 0.0));
      CHECK_THROWS_AS(
          kernels()->dropout({.key = {}, .p = 1.5, .channels = channels}, x.view(), y.view(), Accum::write),
          EngineError);
    }
  }
}
