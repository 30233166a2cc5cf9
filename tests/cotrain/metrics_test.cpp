// Metrics of one class against numbers worked out by hand.
#include <cmath>
#include <doctest/doctest.h>

#include "engine/core/errors.h"
#include "tests/cotrain/metrics_volumes.h"

namespace duet {
using testing::compare;
using testing::Volume;

TEST_CASE("identical masks") {
  Volume a({6, 7, 8});
  a.box({1, 2, 3}, {3, 3, 3});
  const ClassMetrics m = compare(a, a, {2, 1, 0.5});
  CHECK(*m.dice == 1.0);
  CHECK(*m.jaccard == 1.0);
  CHECK(*m.hd95 == 0.0);
  CHECK(*m.asd == 0.0);
  CHECK(*m.assd == 0.0);
  CHECK(m.common_voxels == 27);
}

TEST_CASE("a voxel against a voxel: the distance in mm") {
  Volume a({5, 6, 7}), b({5, 6, 7});
  a.at(0, 1, 2) = 1;
  b.at(2, 2, 6) = 1;
  const ClassMetrics m = compare(a, b, {3, 2, 0.5});  // (6, 2, 2) mm apart
  const double expected = std::sqrt(36.0 + 4 + 4);
  CHECK(*m.dice == 0.0);
  CHECK(*m.jaccard == 0.0);
  CHECK(*m.hd95 == doctest::Approx(expected).epsilon(1e-14));
  CHECK(*m.asd == doctest::Approx(expected).epsilon(1e-14));
  CHECK(*m.assd == doctest::Approx(expected).epsilon(1e-14));
}

TEST_CASE("a 4 x 4 x 4 cube shifted by one voxel") {
  Volume a({8, 8, 8}), b({8, 8, 8});
  a.box({2, 2, 1}, {4, 4, 4});
  b.box({2, 2, 2}, {4, 4, 4});
  // 48 of 64 voxels in common. Each surface has 64 - 8 = 56 voxels.
  for (const double mm : {1.0, 0.7}) {
    const ClassMetrics m = compare(a, b, {1, 1, mm});
    CHECK(*m.dice == doctest::Approx(0.75));
    CHECK(*m.jaccard == doctest::Approx(48.0 / 80.0));
    // Surface of a off that of b: the 16 of the first face (at w = 1, b begins at 2: one step), and the inner
    // 4 of the last face (w = 4, where b's middle is hollow: one step to its face at w = 5, or along D or H
    // by 1 mm). All others lie on b's surface: at w = 2, b's first face is all surface, at 3 and 4 the side
    // walls coincide. So 20 of 56 are a step away.
    CHECK(*m.asd == doctest::Approx(20.0 * mm / 56.0));
    CHECK(*m.assd == doctest::Approx(20.0 * mm / 56.0));
    CHECK(*m.hd95 == doctest::Approx(mm));
  }
}

TEST_CASE("asymmetric: a plate against the plate and a far voxel") {
  Volume prediction({1, 9, 30}), reference({1, 9, 30});
  reference.box({0, 0, 0}, {1, 3, 3});
  prediction.box({0, 0, 0}, {1, 3, 3});
  prediction.at(0, 0, 12) = 1;  // 10 voxels from the plate's edge at w = 2
  const ClassMetrics m = compare(prediction, reference, {5, 1, 1.5});
  // D = 1: every voxel is on the surface. 10 in the prediction, 9 in the reference.
  CHECK(*m.dice == doctest::Approx(18.0 / 19.0));
  CHECK(*m.asd == doctest::Approx(15.0 / 10.0));
  CHECK(*m.assd == doctest::Approx(0.5 * (15.0 / 10.0 + 0.0)));
  // 19 distances pooled, 18 zeros and one 15: rank 0.95 * 18 = 17.1.
  CHECK(*m.hd95 == doctest::Approx(0.1 * 15.0));
}

TEST_CASE("2D: a shifted square, all of it surface") {
  Volume a({1, 10, 10}), b({1, 10, 10});
  a.box({0, 2, 2}, {1, 4, 4});
  b.box({0, 2, 4}, {1, 4, 4});
  const ClassMetrics m = compare(a, b, {1, 1, 2});
  CHECK(*m.dice == doctest::Approx(0.5));
  CHECK(*m.jaccard == doctest::Approx(1.0 / 3));
  CHECK(*m.asd == doctest::Approx((4 * 4.0 + 4 * 2.0) / 16));  // columns two and one voxels away, at 2 mm
  CHECK(*m.hd95 == doctest::Approx(4.0));
}

TEST_CASE("nested balls: the distance is the difference of the radii") {
  const Index n = 41;
  Volume inner({n, n, n}), outer({n, n, n});
  for (Index d = 0; d < n; ++d) {
    for (Index h = 0; h < n; ++h) {
      for (Index w = 0; w < n; ++w) {
        const double r =
            std::sqrt(static_cast<double>((d - 20) * (d - 20) + (h - 20) * (h - 20) + (w - 20) * (w - 20)));
        inner.at(d, h, w) = r <= 10;
        outer.at(d, h, w) = r <= 16;
      }
    }
  }
  const ClassMetrics m = compare(inner, outer);
  const double share = std::pow(10.0 / 16.0, 3);
  CHECK(*m.dice == doctest::Approx(2 * share / (1 + share)).scale(0).epsilon(0.02));
  CHECK(std::abs(*m.asd - 6.0) < 0.5);  // voxel centres, and the nearest of many: half a voxel
  CHECK(*m.hd95 == doctest::Approx(6.5).scale(0).epsilon(0.08));
  const ClassMetrics twice = compare(inner, outer, {2, 2, 2});
  CHECK(*twice.assd == doctest::Approx(2 * *m.assd).epsilon(1e-12));
}

TEST_CASE("empties are not scored") {
  Volume empty({4, 4, 4}), some({4, 4, 4});
  some.box({1, 1, 1}, {2, 2, 2});
  for (const ClassMetrics& m : {compare(empty, some), compare(some, empty)}) {
    CHECK(*m.dice == 0.0);
    CHECK(*m.jaccard == 0.0);
    CHECK_FALSE(m.hd95.has_value());
    CHECK_FALSE(m.asd.has_value());
    CHECK_FALSE(m.assd.has_value());
  }
  const ClassMetrics none = compare(empty, empty);
  CHECK_FALSE(none.dice.has_value());
  CHECK_FALSE(none.jaccard.has_value());
  CHECK_FALSE(none.hd95.has_value());
}

TEST_CASE("classes do not see each other") {
  Volume a({4, 4, 8}), b({4, 4, 8});
  a.box({0, 0, 0}, {4, 4, 4}, 1).box({0, 0, 4}, {4, 4, 4}, 2);
  b.box({0, 0, 0}, {4, 4, 4}, 1).box({0, 0, 4}, {4, 4, 4}, 3);
  CHECK(*compare(a, b, {1, 1, 1}, 1).dice == 1.0);
  CHECK(*compare(a, b, {1, 1, 1}, 2).dice == 0.0);
  CHECK_FALSE(compare(a, b, {1, 1, 1}, 4).dice.has_value());
}

TEST_CASE("percentiles are numpy's") {
  CHECK(percentile({3}, 95) == 3.0);
  CHECK(percentile({4, 1, 3, 2}, 50) == doctest::Approx(2.5));
  CHECK(percentile({5, 1, 4, 2, 3}, 95) == doctest::Approx(4.8));
  CHECK(percentile({1, 2}, 100) == 2.0);
  CHECK(percentile({1, 2}, 0) == 1.0);
}

TEST_CASE("arrays that do not fit are refused") {
  const std::vector<std::uint8_t> eight(8), seven(7);
  CHECK_THROWS_AS(evaluate_class(seven, eight, {2, 2, 2}, {1, 1, 1}, 1), EngineError);
  CHECK_THROWS_AS(evaluate_class(eight, seven, {2, 2, 2}, {1, 1, 1}, 1), EngineError);
  CHECK_THROWS_AS(evaluate_class(eight, eight, {2, 2, 2}, {1, 0, 1}, 1), EngineError);
  CHECK_THROWS_AS(evaluate_class(eight, eight, {2, 2, 2}, {1, NAN, 1}, 1), EngineError);
  CHECK_THROWS_AS(evaluate_class({}, {}, {0, 2, 2}, {1, 1, 1}, 1), EngineError);
}

}  // namespace duet
