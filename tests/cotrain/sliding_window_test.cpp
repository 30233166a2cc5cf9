#include <cmath>

#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("windows cover every voxel and end at the border") {
  CHECK(window_corners(32, 32, 0.5) == std::vector<Index>{0});
  CHECK(window_corners(33, 32, 0.5) == std::vector<Index>{0, 1});
  CHECK(window_corners(64, 32, 0.5) == std::vector<Index>{0, 16, 32});
  CHECK(window_corners(70, 32, 0.0) == std::vector<Index>{0, 32, 38});
  CHECK(window_corners(3, 1, 0.5) == std::vector<Index>{0, 1, 2});
  for (Index size = 16; size < 80; ++size) {
    for (double overlap : {0.0, 0.25, 0.5, 0.9}) {
      std::vector<bool> covered(static_cast<std::size_t>(size));
      for (Index corner : window_corners(size, 16, overlap)) {
        CHECK(corner + 16 <= size);
        for (Index i = 0; i < 16; ++i) covered[static_cast<std::size_t>(corner + i)] = true;
      }
      CHECK(std::find(covered.begin(), covered.end(), false) == covered.end());
    }
  }
}

TEST_CASE("the window's weights are a Gaussian of sigma = patch / 8, highest in the middle") {
  const auto weights = window_weights({1, 9, 17});
  CHECK(weights[4 * 17 + 8] == doctest::Approx(1.0));
  const double z = 4.0 / (17.0 / 8);
  CHECK(weights[4 * 17 + 4] == doctest::Approx(std::exp(-z * z / 2)));
  for (float w : weights) CHECK(w >= 1e-3f);
}

TEST_CASE("a volume of one window is the network's prediction; probabilities sum to 1; maps lie in [0, 1]") {
  const auto backend = make_default_backend();
  const RunConfig config = small_config("udct");
  const TrainingState state = make_training_state(*backend, config, 3);
  for (const Triple size : {Triple{16, 16, 16}, Triple{18, 21, 16}}) {
    std::vector<float> image(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    for (std::size_t i = 0; i < image.size(); ++i)
      image[i] = static_cast<float>(std::sin(0.1 * static_cast<double>(i)));
    WindowConfig windows = window_config(config);
    windows.samples = 2;
    windows.each_network = true;
    const VolumePrediction a = predict_volume(*backend, state.networks, image, size, windows);
    const VolumePrediction b = predict_volume(*backend, state.networks, image, size, windows);
    CHECK(a.mean == b.mean);
    CHECK(a.uncertainty == b.uncertainty);
    CHECK(a.networks.size() == 2);
    for (std::size_t v = 0; v < image.size(); ++v) {
      double sum = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        sum += a.mean[3 * v + c];
        CHECK(a.mean[3 * v + c] ==
              doctest::Approx((a.networks[0][3 * v + c] + a.networks[1][3 * v + c]) / 2).epsilon(1e-4));
      }
      REQUIRE(sum == doctest::Approx(1.0).epsilon(1e-4));
      REQUIRE((a.uncertainty[v] >= 0.0f && a.uncertainty[v] <= 1.0f));
    }
  }
}

TEST_CASE("argmax takes the first of equals") {
  CHECK(argmax_classes({0.2f, 0.4f, 0.4f, 0.5f, 0.5f, 0.0f}, 3) == std::vector<std::uint8_t>{1, 0});
}
