// Largest components and the best threshold.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "cotrain/metrics/components.h"
#include "cotrain/metrics/threshold.h"
#include "engine/core/errors.h"
#include "tests/cotrain/metrics_volumes.h"

namespace duet {
using testing::Volume;

TEST_CASE("the largest component of each class stays") {
  Volume v({6, 6, 12});
  v.box({0, 0, 0}, {3, 3, 3}, 1).box({4, 4, 0}, {2, 2, 2}, 1);  // 27 and 8
  v.box({0, 0, 6}, {1, 2, 2}, 2).box({3, 3, 7}, {2, 2, 2}, 2);  // 4 and 8
  v.at(5, 0, 11) = 7;                                           // not a class of the three
  CHECK(largest_component(v.labels, v.size, 3) == 12);
  CHECK(std::count(v.labels.begin(), v.labels.end(), 1) == 27);
  CHECK(std::count(v.labels.begin(), v.labels.end(), 2) == 8);
  CHECK(v.at(0, 0, 6) == 0);
  CHECK(v.at(5, 0, 11) == 7);
  CHECK(largest_component(v.labels, v.size, 3) == 0);
}

TEST_CASE("corners hang together among 26 neighbours, not among 6") {
  Volume v({3, 3, 3});
  v.at(0, 0, 0) = v.at(1, 1, 1) = v.at(2, 2, 2) = v.at(2, 2, 1) = 1;
  Volume w = v;
  CHECK(largest_component(v.labels, v.size, 2) == 0);
  CHECK(largest_component(w.labels, w.size, 2, Connectivity::faces_6) == 2);
  CHECK(w.at(2, 2, 2) == 1);
  CHECK(w.at(0, 0, 0) == 0);
}

TEST_CASE("of equal components the first stays; rows do not wrap") {
  Volume v({1, 2, 4});
  v.at(0, 0, 3) = v.at(0, 1, 0) = 1;  // neighbours in memory, not in space
  CHECK(largest_component(v.labels, v.size, 2) == 1);
  CHECK(v.at(0, 0, 3) == 1);
  std::vector<std::uint8_t> few(3);
  CHECK_THROWS_AS(largest_component(few, {1, 2, 4}, 2), EngineError);
}

TEST_CASE("one component of a million voxels needs no deep stack") {
  Volume v({100, 100, 100});
  std::fill(v.labels.begin(), v.labels.end(), std::uint8_t{1});
  CHECK(largest_component(v.labels, v.size, 2) == 0);
}

TEST_CASE("best threshold") {
  const std::vector<float> image = {5, 1, 2, 3, 4, 6};
  const std::vector<std::uint8_t> top = {1, 0, 0, 0, 0, 1}, middle = {0, 0, 0, 1, 1, 0},
                                  low = {0, 1, 1, 0, 0, 0};
  const ThresholdDice above = best_threshold_dice(image, top, 1);
  CHECK(above.dice == 1.0);
  CHECK(above.low == 5.0);
  CHECK(above.high == INFINITY);
  const ThresholdDice below = best_threshold_dice(image, low, 1);
  CHECK(below.dice == 1.0);
  CHECK(below.high == 2.0);
  CHECK(best_threshold_dice(image, middle, 1).dice == doctest::Approx(2.0 / 3));  // >= 3 or <= 4: two of four
  const ThresholdDice between = best_interval_dice(image, middle, 1, 6);
  CHECK(between.dice == 1.0);
  CHECK(between.low == 3.0);
  CHECK(between.high == 4.0);
  CHECK(best_threshold_dice(image, top, 2).dice == 0.0);
  // Equal intensities stand or fall together.
  CHECK(best_threshold_dice(std::vector<float>{1, 1, 1, 1}, std::vector<std::uint8_t>{1, 0, 0, 0}, 1).dice ==
        doctest::Approx(0.4));
  CHECK(best_interval_dice(std::vector<float>{1, 1, 1, 1}, std::vector<std::uint8_t>{1, 0, 0, 0}, 1).dice ==
        doctest::Approx(0.4));
  CHECK_THROWS_AS(best_threshold_dice(image, std::vector<std::uint8_t>(5), 1), EngineError);
}

}  // namespace duet
