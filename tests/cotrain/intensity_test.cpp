// Blur, gamma and noise of a patch against their definitions.
#include "cotrain/data/intensity.h"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

using namespace duet;

namespace {

constexpr Triple kPatch = {9, 14, 23};
constexpr Index kVoxels = 9 * 14 * 23;

std::vector<float> random_image() {
  std::vector<float> image;
  for (std::uint32_t v = 0; v < kVoxels; ++v) image.push_back(3 * draw_uniform({}, 0, v) - 1);
  return image;
}

// A third of the patch at either end of D and W lies outside the image.
std::vector<float> partly_valid() {
  std::vector<float> valid;
  for (Index v = 0; v < kVoxels; ++v) valid.push_back(v >= 3 * 14 * 23 && v % 23 < 16 ? 1.0f : 0.0f);
  return valid;
}

std::vector<float> zeroed_outside(std::vector<float> image, const std::vector<float>& valid) {
  for (std::size_t v = 0; v < image.size(); ++v) image[v] *= valid[v];
  return image;
}

}  // namespace

TEST_CASE("nothing changes where nothing is asked for") {
  const std::vector<float> before = random_image(), valid(kVoxels, 1.0f);
  for (std::uint32_t step = 0; step < 20; ++step) {
    std::vector<float> image = before;
    change_intensity(draw_intensity({}, 1, step, 0), kPatch, valid.data(), image.data());
    CHECK(image == before);
  }
}

TEST_CASE("blur and gamma are drawn evenly up to their limits, for each step and sample anew") {
  AugmentConfig config;
  config.blur = 1.5;
  config.gamma = 0.4;
  config.noise = 0.1;
  double blurs = 0, logs = 0, squares = 0;
  constexpr std::uint32_t kDraws = 3000;
  for (std::uint32_t step = 0; step < kDraws; ++step) {
    const Intensity drawn = draw_intensity(config, 1, step, 2), again = draw_intensity(config, 1, step, 2);
    CHECK(drawn.blur == again.blur);
    CHECK(drawn.gamma == again.gamma);
    CHECK(drawn.blur != draw_intensity(config, 1, step, 3).blur);
    CHECK(drawn.noise == 0.1);
    const double log = std::log(drawn.gamma);
    CHECK(drawn.blur <= 1.5);
    CHECK(std::abs(log) <= 0.4001);
    blurs += drawn.blur;
    logs += log;
    squares += log * log;
  }
  CHECK(blurs / kDraws == doctest::Approx(0.75).scale(0).epsilon(0.04));
  CHECK(std::abs(logs / kDraws) < 0.02);
  CHECK(std::sqrt(squares / kDraws) == doctest::Approx(0.4 / std::sqrt(3.0)).scale(0).epsilon(0.04));
}

TEST_CASE("a blurred voxel is the Gaussian mean of the valid ones around it") {
  const std::vector<float> valid = partly_valid(), before = zeroed_outside(random_image(), valid);
  for (double deviation : {0.5, 1.2, 3.0}) {
    std::vector<float> image = before;
    blur_patch(deviation, kPatch, valid.data(), image.data());
    const auto reach = static_cast<Index>(std::ceil(3 * deviation));
    for (Index v = 0; v < kVoxels; v += 7) {
      const Triple at = {v / (14 * 23), v / 23 % 14, v % 23};
      double sum = 0, weights = 0;
      for (Index u = 0; u < kVoxels; ++u) {
        const Triple d = {u / (14 * 23) - at[0], u / 23 % 14 - at[1], u % 23 - at[2]};
        const auto i = static_cast<std::size_t>(u);
        if (std::max({std::abs(d[0]), std::abs(d[1]), std::abs(d[2])}) > reach || valid[i] == 0) continue;
        const auto square = static_cast<double>(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
        const double weight = std::exp(-0.5 * square / (deviation * deviation));
        sum += weight * before[i];
        weights += weight;
      }
      const auto i = static_cast<std::size_t>(v);
      REQUIRE(image[i] == doctest::Approx(valid[i] > 0 ? sum / weights : 0.0).epsilon(1e-4));
    }
  }
  std::vector<float> slice(14 * 23, 2.5f), all(14 * 23, 1.0f);  // a constant stays one, in a lone slice, too
  blur_patch(2.0, {1, 14, 23}, all.data(), slice.data());
  for (float value : slice) CHECK(value == doctest::Approx(2.5));
}

TEST_CASE("gamma keeps a patch's range and its order, and what is outside at 0") {
  const std::vector<float> valid = partly_valid(), before = zeroed_outside(random_image(), valid);
  float least = 1e9f, greatest = -1e9f;
  for (std::size_t v = 0; v < before.size(); ++v) {
    if (valid[v] > 0) least = std::min(least, before[v]), greatest = std::max(greatest, before[v]);
  }
  for (double gamma : {0.7, 1.5}) {
    std::vector<float> image = before;
    apply_gamma(gamma, kVoxels, valid.data(), image.data());
    for (std::size_t v = 0; v < image.size(); ++v) {
      const double whole = greatest - least, part = (before[v] - least) / whole;
      REQUIRE(image[v] ==
              doctest::Approx(valid[v] > 0 ? least + whole * std::pow(part, gamma) : 0.0).epsilon(1e-4));
    }
  }
  std::vector<float> constant(10, 4.0f), all(10, 1.0f), none(10, 0.0f);
  apply_gamma(2.0, 10, all.data(), constant.data());
  CHECK(constant == std::vector<float>(10, 4.0f));
  apply_gamma(2.0, 10, none.data(), constant.data());
  CHECK(constant == std::vector<float>(10, 4.0f));
}

TEST_CASE("noise is normal, its own for each voxel and sample, and none outside") {
  const PhiloxKey key{1, Stream::appearance, 0, 1, 5, 0};
  constexpr Index kCount = 400'003;  // no multiple of a block's four
  std::vector<float> valid(kCount, 1.0f), noise(kCount), again(kCount), other(kCount);
  add_noise(0.5, key, 0, kCount, valid.data(), noise.data());
  add_noise(0.5, key, 0, kCount, valid.data(), again.data());
  add_noise(0.5, key, 1, kCount, valid.data(), other.data());
  CHECK(noise == again);
  CHECK(noise != other);
  double powers[5] = {}, lags[4] = {}, samples = 0;
  for (std::size_t v = 0; v < noise.size(); ++v) {
    const double z = noise[v] / 0.5;
    for (int p = 1; p <= 4; ++p) powers[p] += std::pow(z, p) / kCount;
    for (std::size_t lag = 1; lag <= 3 && lag <= v; ++lag) lags[lag] += z * noise[v - lag] / 0.5 / kCount;
    samples += z * other[v] / 0.5 / kCount;
  }
  CHECK(std::abs(powers[1]) < 0.008);
  CHECK(powers[2] == doctest::Approx(1.0).scale(0).epsilon(0.01));
  CHECK(std::abs(powers[3]) < 0.02);
  CHECK(powers[4] == doctest::Approx(3.0).scale(0).epsilon(0.03));
  for (double lag : {lags[1], lags[2], lags[3], samples}) CHECK(std::abs(lag) < 0.008);

  const std::vector<float> part = partly_valid();
  std::vector<float> image(kVoxels, 0.0f);
  add_noise(1.0, key, 0, kVoxels, part.data(), image.data());
  for (std::size_t v = 0; v < image.size(); ++v) CHECK((image[v] != 0) == (part[v] > 0));
}
