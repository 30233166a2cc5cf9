// What warps are drawn: bounds and moments of angles and factors, shares, the field's deviation and
// smoothness.
#include <cmath>
#include <doctest/doctest.h>
#include <numbers>

#include "cotrain/data/warp.h"

using namespace duet;

namespace {

constexpr Triple kPatch = {32, 48, 32};
constexpr std::array<double, 3> kCube = {1, 1, 1};

struct Moments {
  double sum = 0, squares = 0, least = 1e9, greatest = -1e9;
  Index count = 0;
  void add(double value) {
    sum += value;
    squares += value * value;
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    ++count;
  }
  double mean() const { return sum / static_cast<double>(count); }
  double deviation() const { return std::sqrt(squares / static_cast<double>(count) - mean() * mean()); }
};

double determinant(const Matrix3& m) {
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

// Checks that values are spread evenly over +-limit.
void check_uniform(const Moments& found, double limit) {
  CHECK(found.least >= -limit * 1.0001);
  CHECK(found.greatest <= limit * 1.0001);
  CHECK(found.greatest - found.least > 1.95 * limit);
  CHECK(std::abs(found.mean()) < 0.06 * limit);
  CHECK(found.deviation() == doctest::Approx(limit / std::sqrt(3.0)).scale(0).epsilon(0.05));
}

}  // namespace

TEST_CASE("nothing is drawn where nothing is asked for, whatever the spacing") {
  for (std::uint32_t step = 0; step < 50; ++step) {
    CHECK(draw_warp({}, 1, step, 0, kPatch, {3, 0.7, 0.3}).identity());
    AugmentConfig config;
    config.rotate = 30;
    config.scale = config.stretch = 0.5;
    config.elastic = 2;
    config.probability = 0;
    CHECK(draw_warp(config, 1, step, 0, kPatch, {3, 0.7, 0.3}).identity());
  }
}

TEST_CASE("a warp is a pure function of seed, step and sample, and each of them counts") {
  AugmentConfig config;
  config.rotate = 30;
  config.elastic = 2;
  const Warp one = draw_warp(config, 1, 2, 3, kPatch, kCube),
             again = draw_warp(config, 1, 2, 3, kPatch, kCube);
  CHECK(one.matrix == again.matrix);
  CHECK(one.field.values == again.field.values);
  for (const Warp& other :
       {draw_warp(config, 2, 2, 3, kPatch, kCube), draw_warp(config, 1, 3, 3, kPatch, kCube),
        draw_warp(config, 1, 2, 2, kPatch, kCube)}) {
    CHECK(one.matrix != other.matrix);
    CHECK(one.field.values != other.field.values);
  }
}

TEST_CASE("angles are uniform within +-rotate about each axis; a lone slice turns in its plane alone") {
  AugmentConfig config;
  config.rotate = 40;
  const double degree = std::numbers::pi / 180;
  Moments flat, about[3];
  for (std::uint32_t step = 0; step < 3000; ++step) {
    const Matrix3 slice = draw_warp(config, 1, step, 0, {1, 64, 64}, {5, 1, 1}).matrix;
    CHECK(slice[0] == std::array<double, 3>{1, 0, 0});
    CHECK(slice[1][0] == 0);
    CHECK(slice[2][0] == 0);
    flat.add(std::atan2(slice[2][1], slice[1][1]) / degree);

    // m = turn about W * turn about H * turn about D, so its last row and its first column tell the angles.
    const Matrix3 m = draw_warp(config, 1, step, 0, kPatch, kCube).matrix;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        const double dot = m[i][0] * m[j][0] + m[i][1] * m[j][1] + m[i][2] * m[j][2];
        REQUIRE(dot == doctest::Approx(i == j).epsilon(1e-9));
      }
    }
    about[0].add(std::atan2(m[2][1], m[2][2]) / degree);
    about[1].add(std::asin(-m[2][0]) / degree);
    about[2].add(std::atan2(m[1][0], m[0][0]) / degree);
  }
  check_uniform(flat, 40);
  for (const Moments& each : about) check_uniform(each, 40);
}

TEST_CASE("factors lie in [1 / (1 + scale), 1 + scale], their logarithms evenly; stretch has one an axis") {
  AugmentConfig config;
  config.scale = 0.4;
  Moments alike, own[3], ratio;
  for (std::uint32_t step = 0; step < 3000; ++step) {
    const Matrix3 m = draw_warp(config, 1, step, 0, kPatch, {3, 1, 0.5}).matrix;
    CHECK(m[0][0] == m[1][1]);
    CHECK(m[0][0] == m[2][2]);
    alike.add(-std::log(m[0][0]));
    AugmentConfig stretch;
    stretch.stretch = 0.25;
    const Matrix3 s = draw_warp(stretch, 1, step, 0, kPatch, {3, 1, 0.5}).matrix;
    for (std::size_t a = 0; a < 3; ++a) own[a].add(-std::log(s[a][a]));
    ratio.add(std::log(s[0][0] / s[1][1]));
  }
  check_uniform(alike, std::log(1.4));
  for (const Moments& each : own) check_uniform(each, std::log(1.25));
  CHECK(ratio.deviation() == doctest::Approx(std::log(1.25) * std::sqrt(2.0 / 3)).scale(0).epsilon(0.05));
}

TEST_CASE("each kind touches its share of the patches, one without regard to another") {
  AugmentConfig config;
  config.rotate = 20;
  config.scale = 0.3;
  config.elastic = 1;
  config.probability = 0.2;
  double turned = 0, scaled = 0, bent = 0, turned_and_bent = 0, none = 0;
  constexpr std::uint32_t kDraws = 4000;
  for (std::uint32_t step = 0; step < kDraws; ++step) {
    const Warp warp = draw_warp(config, 1, step, 1, {8, 8, 8}, kCube);
    const bool turn = warp.matrix[0][1] != 0, scale = std::abs(determinant(warp.matrix) - 1) > 1e-9;
    const bool bend = !warp.field.values.empty();
    turned += turn;
    scaled += scale;
    bent += bend;
    turned_and_bent += turn && bend;
    none += warp.identity();
  }
  for (double each : {turned, scaled, bent})
    CHECK(each / kDraws == doctest::Approx(0.2).scale(0).epsilon(0.12));
  CHECK(turned_and_bent / kDraws == doctest::Approx(0.04).scale(0).epsilon(0.3));
  CHECK(none / kDraws == doctest::Approx(0.512).scale(0).epsilon(0.06));
}

TEST_CASE("the field has its deviation along each axis and is smooth; none lies across a lone slice") {
  for (const Triple& patch : {Triple{40, 48, 56}, Triple{1, 120, 120}}) {
    // As warped ramps show it: with the identity for a matrix, the value is place + displacement.
    const Triple margin = {patch[0] == 1 ? 0 : 30, 30, 30};
    LoadedCase ramp;
    for (std::size_t a = 0; a < 3; ++a) ramp.frame.size[a] = patch[a] + 2 * margin[a];
    ramp.frame.extent = ramp.frame.size;
    const Triple& size = ramp.frame.size;
    const auto count = static_cast<std::size_t>(patch[0] * patch[1] * patch[2]);
    std::vector<float> image(count), valid(count);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      ramp.image.clear();
      for (Index v = 0; v < size[0] * size[1] * size[2]; ++v) {
        const Triple at = {v / (size[1] * size[2]), v / size[2] % size[1], v % size[2]};
        ramp.image.push_back(static_cast<float>(at[axis] - margin[axis]));
      }
      Moments values, slopes, bends;
      for (std::uint32_t draw = 0; draw < 40; ++draw) {
        const Warp warp{Warp{}.matrix, draw_field(3.0, {7, Stream::warp, 0, 1, draw, 0}, 0, patch)};
        warp_patch(ramp, {margin}, warp, patch, image.data(), valid.data(), nullptr);
        for (Index v = 0; v < static_cast<Index>(count); ++v) {
          const Triple at = {v / (patch[1] * patch[2]), v / patch[2] % patch[1], v % patch[2]};
          image[static_cast<std::size_t>(v)] -= static_cast<float>(at[axis]);
        }
        for (std::size_t v = 0; v + 2 < count; ++v) {
          values.add(image[v]);
          if (static_cast<Index>(v) % patch[2] + 2 >= patch[2]) continue;
          slopes.add(image[v + 1] - image[v]);
          bends.add(image[v + 2] - 2 * image[v + 1] + image[v]);
        }
      }
      if (patch[0] == 1 && axis == 0) {
        CHECK(values.squares == 0);
        continue;
      }
      CHECK(std::abs(values.mean()) < 0.9);  // three times its own deviation
      CHECK(values.deviation() == doctest::Approx(3.0).scale(0).epsilon(0.08));
      // The spline's slopes have 1.18 of its deviation a cell, what bends it 2.4.
      CHECK(slopes.deviation() == doctest::Approx(3.0 * 1.18 / kFieldCell).scale(0).epsilon(0.1));
      CHECK(bends.deviation() < 3.0 * 3.0 / (kFieldCell * kFieldCell));
    }
  }
}
