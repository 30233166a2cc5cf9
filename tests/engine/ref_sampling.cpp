// Monte Carlo sums, uncertainty and voxel weights.
#include <limits>

#include "tests/engine/ref_more.h"

using namespace duet;
using namespace duet::test;

namespace {

std::unique_ptr<SamplingKernels> kernels() { return make_ref_sampling(); }

struct Held {
  Tensor probability, entropy, square;
  SampleSums sums() const { return {probability.view(), entropy.view(), square.view()}; }
};

Held held(const Shape& shape, DType type) {
  const Shape one = shape.with_channels(1);
  return {garbage(shape, type), garbage(one, type), garbage(one, type)};
}

Tensor uncertainty(UncertaintyKind kind, Index passes, const Held& from) {
  const Tensor u = garbage(from.entropy.shape(), from.entropy.dtype());
  kernels()->finish_samples(kind, passes, from.sums(), u.view());
  return u;
}

// -sum p ln p of p and 1 - p.
double entropy2(double p) { return -p * std::log(p) - (1 - p) * std::log(1 - p); }

}  // namespace

TEST_CASE("two passes over one voxel of two classes, by hand") {
  for (const DType type : kTypes) {
    const double odds =
        std::log(3.0);  // p = 3/4 and 1/4 in the first pass, the other way round in the second
    const Tensor logits = values({2, 1, 1, 1, 2}, type, {odds, 0, 100, 100 + odds});
    const double tolerance = type == DType::f32 ? 1e-5 : 1e-12;
    auto make = [&] {
      const Held h = held({1, 1, 1, 1, 2}, type);
      kernels()->accumulate_samples(logits.cview(), 2, h.sums(), Accum::write);
      return h;
    };
    check_values(make().probability, {1, 1}, tolerance);
    check_values(make().entropy, {2 * entropy2(0.75)}, tolerance);
    check_values(make().square, {2 * 0.625}, tolerance);
    const double expected = entropy2(0.75) / std::log(2.0);
    check_values(uncertainty(UncertaintyKind::predictive_entropy, 2, make()), {1}, tolerance);
    check_values(uncertainty(UncertaintyKind::expected_entropy, 2, make()), {expected}, tolerance);
    check_values(uncertainty(UncertaintyKind::mutual_information, 2, make()), {1 - expected}, tolerance);
    // (0.625 - 0.5) / (1 - 1/2)
    const Held h = make();
    check_values(uncertainty(UncertaintyKind::variance, 2, h), {0.25}, tolerance);
    check_values(h.probability, {0.5, 0.5}, tolerance);
  }
}

TEST_CASE("each number of classes, passes together or one by one") {
  for (const DType type : kTypes) {
    for (const Index classes : {2, 3, 4, 5, 9}) {
      const Shape shape{2, 3, 1, 5, classes};
      const Tensor logits = random(shape.with_batch(6), type, 1);
      const Held together = held(shape, type), apart = held(shape, type);
      kernels()->accumulate_samples(logits.cview(), 3, together.sums(), Accum::write);
      for (Index k = 0; k < 3; ++k) {
        kernels()->accumulate_samples(logits.samples(2 * k, 2 * k + 2).cview(), 1, apart.sums(),
                                      k == 0 ? Accum::write : Accum::add);
      }
      CHECK(same_bytes(together.probability, apart.probability));
      CHECK(same_bytes(together.entropy, apart.entropy));
      CHECK(same_bytes(together.square, apart.square));

      const std::vector<double> z = to_values(logits), p = to_values(together.probability);
      const std::vector<double> e = to_values(together.entropy), s = to_values(together.square);
      const auto c = static_cast<std::size_t>(classes);
      for (std::size_t voxel = 0; voxel < 30; ++voxel) {
        std::vector<double> sum(c, 0);
        double entropy = 0, square = 0;
        for (std::size_t pass = 0; pass < 3; ++pass) {
          const double* at = z.data() + (pass * 30 + voxel) * c;
          double total = 0;
          for (std::size_t k = 0; k < c; ++k) total += std::exp(at[k]);
          for (std::size_t k = 0; k < c; ++k) {
            const double q = std::exp(at[k]) / total;
            sum[k] += q;
            entropy -= q * std::log(q);
            square += q * q;
          }
        }
        for (std::size_t k = 0; k < c; ++k) CHECK(p[voxel * c + k] == doctest::Approx(sum[k]).epsilon(1e-5));
        CHECK(e[voxel] == doctest::Approx(entropy).epsilon(1e-5));
        CHECK(s[voxel] == doctest::Approx(square).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("certain predictions have no uncertainty, uniform ones have all of it") {
  const double far = 1e4, never = -std::numeric_limits<double>::infinity();
  for (const DType type : kTypes) {
    for (const UncertaintyKind kind : {UncertaintyKind::predictive_entropy, UncertaintyKind::expected_entropy,
                                       UncertaintyKind::mutual_information, UncertaintyKind::variance}) {
      const Held h = held({1, 1, 1, 3, 3}, type);
      const Tensor logits = values({1, 1, 1, 3, 3}, type, {far, 0, 0, 0, never, never, 5, 5, 5});
      kernels()->accumulate_samples(logits.cview(), 1, h.sums(), Accum::write);
      const bool entropy =
          kind == UncertaintyKind::predictive_entropy || kind == UncertaintyKind::expected_entropy;
      const Tensor u = uncertainty(kind, 1, h);
      check_values(u, {0, 0, entropy ? 1.0 : 0.0}, 1e-6);
      for (const double v : to_values(u)) CHECK((v >= 0 && v <= 1));
    }
  }
  // Passes that disagree without doubt: all the variance and mutual information there is.
  const Tensor logits = values({2, 1, 1, 1, 2}, DType::f32, {far, 0, 0, far});
  for (const UncertaintyKind kind : {UncertaintyKind::mutual_information, UncertaintyKind::variance}) {
    const Held h = held({1, 1, 1, 1, 2}, DType::f32);
    kernels()->accumulate_samples(logits.cview(), 2, h.sums(), Accum::write);
    check_values(uncertainty(kind, 2, h), {1});
  }
}

TEST_CASE("weights, with and without valid, in place too") {
  for (const DType type : kTypes) {
    const Shape shape{2, 1, 1, 2, 1};
    const Tensor u = values(shape, type, {0, 0.5, 1, 0.25}), valid = values(shape, type, {1, 0, 1, 1});
    const Tensor weights = garbage(shape, type);
    kernels()->weights_towards_uncertain(u.cview(), 2, valid.cview(), weights.view());
    check_values(weights, {1, 0, 3, 1.5});
    kernels()->weights_towards_uncertain(u.cview(), 2, {}, weights.view());
    check_values(weights, {1, 2, 3, 1.5});
    kernels()->weights_towards_certain(u.cview(), 2, valid.cview(), weights.view());
    check_values(weights, {1, 0, std::exp(-2.0), std::exp(-0.5)});
    kernels()->weights_towards_certain(u.cview(), 2, {}, u.view());
    check_values(u, {1, std::exp(-1.0), std::exp(-2.0), std::exp(-0.5)});
  }
}

TEST_CASE("maximum and argmax by hand") {
  for (const DType type : kTypes) {
    const Tensor a = values(Shape::vector(3), type, {1, 5, -2}),
                 b = values(Shape::vector(3), type, {2, 4, -2});
    const Tensor y = garbage(Shape::vector(3), type);
    kernels()->maximum(a.cview(), b.cview(), y.view());
    check_values(y, {2, 5, -2});
    const Tensor x = values({1, 1, 2, 2, 3}, type, {0, 1, 2, 3, 3, 1, -1, -2, -1, 0, 0, 0});
    const Tensor classes = garbage({1, 1, 2, 2, 1}, DType::u8);
    kernels()->argmax(x.cview(), classes.view());
    check_values(classes, {2, 0, 0, 0});
  }
}

TEST_CASE("sampling does not depend on the number of threads; wrong shapes are named") {
  const Shape shape{2, 17, 18, 19, 3};
  const Tensor logits = random(shape.with_batch(4), DType::f32, 1);
  check_threads([&] {
    const Held h = held(shape, DType::f32);
    kernels()->accumulate_samples(logits.cview(), 2, h.sums(), Accum::write);
    return uncertainty(UncertaintyKind::mutual_information, 2, h);
  });
  const Held h = held(shape, DType::f32), single = held(shape.with_channels(1), DType::f32);
  CHECK_THROWS_AS(kernels()->accumulate_samples(logits.cview(), 3, h.sums(), Accum::write), EngineError);
  CHECK_THROWS_AS(kernels()->accumulate_samples(logits.cview(), 2, single.sums(), Accum::write), EngineError);
  CHECK_THROWS_AS(kernels()->finish_samples(UncertaintyKind::variance, 2, h.sums(), h.probability.view()),
                  EngineError);
  CHECK_THROWS_AS(kernels()->maximum(logits.cview(), h.probability.cview(), h.probability.view()),
                  EngineError);
  CHECK_THROWS_AS(kernels()->argmax(h.probability.cview(), h.entropy.view()), EngineError);
}
