// Philox against its published known answers, and the draws built on it.
#include "engine/core/philox.h"

#include <array>
#include <cmath>
#include <doctest/doctest.h>
#include <set>
#include <tuple>
#include <vector>

namespace duet {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words words(const PhiloxBlock& block) { return {block.v[0], block.v[1], block.v[2], block.v[3]}; }

// Mean, variance, third and fourth standardised moment.
std::array<double, 4> moments(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, two = 0, three = 0, four = 0;
  for (const double v : values) mean += v / n;
  for (const double v : values) {
    const double d = v - mean;
    two += d * d / n, three += d * d * d / n, four += d * d * d * d / n;
  }
  return {mean, two, three / std::pow(two, 1.5), four / (two * two)};
}

}  // namespace

TEST_CASE("philox4x32-10: known answers of Random123") {
  CHECK(words(philox4x32({{0, 0, 0, 0}}, 0, 0)) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(words(philox4x32({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u)) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(words(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0)) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the counter is laid out as the header says") {
  const PhiloxKey key{.seed = 0x1122334455667788,
                      .stream = Stream::noise,
                      .network = 2,
                      .layer = 0x345,
                      .step = 77,
                      .pass = 0x678};
  const PhiloxBlock direct = philox4x32(
      {{0x9abcdef0u, (5u << 16) | 0x0001u, 77u, (6u << 28) | (2u << 24) | (0x345u << 12) | 0x678u}},
      0x55667788, 0x11223344);
  CHECK(words(draw_block(key, 5, 0x19abcdef0)) == words(direct));
  CHECK(static_cast<std::uint32_t>(Stream::noise) == 6);
}

TEST_CASE("every part of the counter makes another draw") {
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>> seen;
  int made = 0;
  const auto add = [&](const PhiloxKey& key, std::uint32_t sample, std::uint64_t block) {
    const Words w = words(draw_block(key, sample, block));
    seen.insert({w[0], w[1], w[2], w[3]});
    ++made;
  };
  for (std::uint32_t i = 1; i < 10; ++i) {
    add({.seed = i}, 0, 0);
    add({.seed = std::uint64_t{i} << 32}, 0, 0);
    add({.stream = static_cast<Stream>(i == 9 ? 0 : i)}, 0, 0);
    add({.network = i}, 0, 0);
    add({.layer = i}, 0, 0);
    add({.step = i}, 0, 0);
    add({.pass = i}, 0, 0);
    add({}, i, 0);
    add({}, 0, i);
    add({}, 0, std::uint64_t{i} << 32);
  }
  // Stream::test is stream 9: one of `stream` above is stream 0, none is the default's.
  CHECK(static_cast<int>(seen.size()) == made);
}

TEST_CASE("uniform draws: range and moments") {
  std::vector<double> values;
  for (std::uint64_t i = 0; i < 200000; ++i) {
    values.push_back(draw_uniform({.seed = 1}, 3, i));
    REQUIRE(values.back() >= 0.0);
    REQUIRE(values.back() < 1.0);
  }
  const auto m = moments(values);
  CHECK(m[0] == doctest::Approx(0.5).scale(0).epsilon(0.005));
  CHECK(m[1] == doctest::Approx(1.0 / 12).scale(0).epsilon(0.01));
  CHECK(std::abs(m[2]) < 0.02);
  CHECK(m[3] == doctest::Approx(1.8).scale(0).epsilon(0.01));
}

TEST_CASE("normal draws: moments, and the two of a block do not go together") {
  std::vector<double> values;
  double together = 0;
  constexpr int kCount = 200000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    values.push_back(draw_normal({.seed = 2}, 0, i));
    REQUIRE(std::isfinite(values.back()));
    if (i & 1) together += values[i] * values[i - 1] / (kCount / 2.0);
  }
  const auto m = moments(values);
  CHECK(std::abs(m[0]) < 0.01);
  CHECK(m[1] == doctest::Approx(1.0).scale(0).epsilon(0.01));
  CHECK(std::abs(m[2]) < 0.03);
  CHECK(m[3] == doctest::Approx(3.0).scale(0).epsilon(0.02));
  CHECK(std::abs(together) < 0.015);
}

TEST_CASE("draw_below stays below and reaches every value about equally") {
  for (const std::uint32_t bound : {1u, 2u, 3u, 7u, 10u, 0x80000001u, 0xffffffffu}) {
    std::vector<int> counts(bound <= 10 ? bound : 1, 0);
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const std::uint32_t v = draw_below({.seed = 9}, 1, i, bound);
      REQUIRE(v < bound);
      if (bound <= 10) ++counts[v];
    }
    if (bound > 10) continue;
    for (const int count : counts) CHECK(count == doctest::Approx(20000.0 / bound).scale(0).epsilon(0.08));
  }
}

TEST_CASE("a draw depends on nothing but its place") {
  const PhiloxKey key{.seed = 4, .stream = Stream::dropout};
  CHECK(draw_bits(key, 2, 1000) == draw_bits(key, 2, 1000));
  const PhiloxBlock block = draw_block(key, 2, 250);
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(draw_bits(key, 2, 1000 + i) == block.v[i]);
}

}  // namespace duet
