// Scores at the ends of the range, by the room's softmax and fused loss and by ref's: what is not a number
// there is none here, and the rest is the same. A class that is impossible is no trouble, one that is certain
// leaves no number.
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::nanf("");

void check_alike(float got, float expected) {
  if (std::isnan(expected)) {
    CHECK(std::isnan(got));
  } else if (std::isinf(expected)) {
    CHECK(got == expected);
  } else {
    CHECK(got == doctest::Approx(expected).epsilon(1e-5));
  }
}

// Of eleven voxels (a pack and a rest) with class index `wanted`, of which `odd` has the scores and the
// others ordinary ones, or all have them (-1): softmax, then the loss.
std::vector<float> results(Backend& b, const std::vector<float>& scores, std::uint8_t wanted, bool weighted,
                           Index odd) {
  const auto classes = static_cast<Index>(scores.size());
  const Shape shape{1, 1, 1, 11, classes}, one = shape.with_channels(1);
  std::vector<float> all;
  for (Index v = 0; v < 11; ++v) {
    std::vector<float> ordinary(scores.size(), 0.25f);
    ordinary[1] = static_cast<float>(v % 3);
    const std::vector<float>& of_voxel = odd < 0 || v == odd ? scores : ordinary;
    all.insert(all.end(), of_voxel.begin(), of_voxel.end());
  }
  const Tensor z = b.empty(shape, DType::f32), p = b.empty(shape, DType::f32);
  z.copy_from(all.data());
  b.loss->softmax_forward(z.cview(), p.view());
  const std::vector<std::uint8_t> labels(11, wanted);
  const Tensor t = b.empty(one, DType::u8), loss = b.empty(Shape::vector(1), DType::f32);
  t.copy_from(labels.data());
  std::vector<float> weights(11, 0.5f);
  weights[3] = 0.25f;
  const Tensor w = b.empty(one, DType::f32), count = b.filled(Shape::vector(1), DType::f32, 11);
  w.copy_from(weights.data());
  const Tensor sums = b.empty({1, 1, 1, 3, classes}, DType::f64);
  b.loss->segmentation_loss_forward({}, z.cview(), t.cview(), weighted ? w.cview() : ConstView{},
                                    count.cview(), sums.view(), loss.view());
  std::vector<float> values(all.size() + 1);
  p.copy_to(values.data());
  loss.copy_to(values.data() + all.size());
  return values;
}

}  // namespace

TEST_CASE("scores that are infinite, far apart or no number are what ref makes of them") {
  const auto ref = make_ref_backend();
  const auto cuda = make_host_cuda();
  for (const auto& [a, b] : std::vector<std::pair<float, float>>{{0.0f, -kInfinity},
                                                                 {3.0f, 3.0f},
                                                                 {1e30f, -1e30f},
                                                                 {90.0f, 0.0f},
                                                                 {0.0f, kInfinity},
                                                                 {-kInfinity, -kInfinity},
                                                                 {kInfinity, kInfinity},
                                                                 {0.0f, kNan}}) {
    for (const bool turned : {false, true}) {
      for (std::size_t classes = 2; classes <= 5; ++classes) {
        std::vector<float> scores(classes, -2.0f);
        scores[0] = turned ? b : a;
        scores[1] = turned ? a : b;
        for (const bool weighted : {false, true}) {
          CAPTURE(scores);
          CAPTURE(weighted);
          for (const Index odd : {-1, 5, 9}) {
            for (const std::uint8_t wanted : {0, 1}) {
              const auto got = results(*cuda, scores, wanted, weighted, odd);
              const auto expected = results(*ref, scores, wanted, weighted, odd);
              for (std::size_t i = 0; i < got.size(); ++i) check_alike(got[i], expected[i]);
            }
          }
        }
      }
    }
  }
}

}  // namespace duet::testing
