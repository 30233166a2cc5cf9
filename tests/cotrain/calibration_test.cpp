// Calibration and uncertainty against numbers worked out by hand.
#include "cotrain/metrics/calibration.h"

#include <cmath>
#include <doctest/doctest.h>
#include <vector>

#include "engine/core/errors.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

using Floats = std::vector<float>;
using Labels = std::vector<std::uint8_t>;

// `voxels` voxels of two classes, all sure of class 1 to `confidence`; the first `correct` are of class 1.
void add_sure(Calibration& calibration, float confidence, int voxels, int correct) {
  Floats probabilities(2 * voxels, confidence);
  Labels reference(voxels, 0);
  for (int i = 0; i < voxels; ++i) probabilities[i] = 1 - confidence;
  for (int i = 0; i < correct; ++i) reference[i] = 1;
  add_voxels(calibration, probabilities, reference);
}

// Index of the bin that one voxel of one class with this confidence falls in.
std::size_t bin_of(float confidence, std::size_t bins) {
  Calibration calibration{std::vector<CalibrationBin>(bins)};
  add_voxels(calibration, Floats{confidence}, Labels{0});
  for (std::size_t b = 0; b < bins; ++b) {
    if (calibration.bins[b].voxels == 1) return b;
  }
  return bins;
}

}  // namespace

TEST_CASE("calibration: confidence that is kept, and confidence that is not") {
  Calibration kept;
  add_sure(kept, 0.75f, 100, 75);
  add_sure(kept, 0.875f, 200, 175);
  add_sure(kept, 0.5625f, 16, 9);
  CHECK(*expected_calibration_error(kept) == 0.0);

  Calibration over;
  add_sure(over, 1.0f, 30, 15);  // |0.5 - 1|
  CHECK(*expected_calibration_error(over) == 0.5);
  add_sure(over, 0.75f, 10, 10);  // |1 - 0.75|, too timid
  CHECK(*expected_calibration_error(over) == doctest::Approx(0.75 * 0.5 + 0.25 * 0.25).epsilon(1e-14));
  // In one bin the two errors lie on either side of the mean.
  Calibration one{std::vector<CalibrationBin>(1)};
  add_sure(one, 1.0f, 30, 15);
  add_sure(one, 0.75f, 10, 10);
  CHECK(*expected_calibration_error(one) == doctest::Approx(std::abs(25.0 / 40 - 37.5 / 40)).epsilon(1e-14));

  CHECK_FALSE(expected_calibration_error(Calibration{}).has_value());
}

TEST_CASE("calibration: channels before voxels, the first of equals, classes that are not there") {
  Calibration calibration{std::vector<CalibrationBin>(10)};
  const Floats probabilities = {0.125f, 0.625f, 0.375f,     // class 0 of three voxels
                                0.125f, 0.25f,  0.375f,     // class 1
                                0.75f,  0.125f, 0.25f};     // class 2
  add_voxels(calibration, probabilities, Labels{2, 1, 0});  // right, wrong, right: 0 before 1
  CHECK(calibration.bins[7].voxels == 1);
  CHECK(calibration.bins[7].correct == 1);
  CHECK(calibration.bins[7].confidence == 0.75);
  CHECK(calibration.bins[6].voxels == 1);
  CHECK(calibration.bins[6].correct == 0);
  CHECK(calibration.bins[3].correct == 1);
  CHECK(*expected_calibration_error(calibration) == doctest::Approx((0.25 + 0.625 + 0.625) / 3));
  add_voxels(calibration, probabilities, Labels{255, 255, 255});
  CHECK(calibration.bins[3].voxels == 2);
  CHECK(calibration.bins[3].correct == 1);
}

TEST_CASE("calibration: a border is in the bin that it begins, 1 in the last") {
  CHECK(bin_of(0.0f, 4) == 0);
  CHECK(bin_of(std::nextafter(0.25f, 0.0f), 4) == 0);
  CHECK(bin_of(0.25f, 4) == 1);
  CHECK(bin_of(0.5f, 4) == 2);
  CHECK(bin_of(std::nextafter(0.75f, 0.0f), 4) == 2);
  CHECK(bin_of(0.75f, 4) == 3);
  CHECK(bin_of(std::nextafter(1.0f, 0.0f), 4) == 3);
  CHECK(bin_of(1.0f, 4) == 3);
  CHECK(bin_of(1.0f, 15) == 14);
  CHECK(bin_of(0.7f, 10) == 6);  // as a float below 7/10, though 10 times it rounds to 7
  CHECK(bin_of(0.2f, 5) == 1);   // as a float above 1/5
  Calibration rounded;           // a mean of softmaxes above 1 by rounding is taken as 1
  add_voxels(rounded, Floats{std::nextafter(1.0f, 2.0f)}, Labels{0});
  CHECK(rounded.bins[14].confidence == 1.0);
}

TEST_CASE("error detection: AUC by hand") {
  const Labels reference = {1, 1, 0, 0, 2}, prediction = {1, 0, 0, 1, 2};  // voxels 1 and 3 are wrong
  CHECK(*error_detection_auc(Floats{0.1f, 0.8f, 0.2f, 0.9f, 0.3f}, prediction, reference) == 1.0);
  CHECK(*error_detection_auc(Floats{0.9f, 0.1f, 0.8f, 0.2f, 0.7f}, prediction, reference) == 0.0);
  CHECK(*error_detection_auc(Floats(5, 0.4f), prediction, reference) == 0.5);
  // 0.5 beats 0.1 and ties 0.5 and 0.5: 2 of 3 pairs; 0.3 beats 0.1: 1 of 3.
  CHECK(*error_detection_auc(Floats{0.5f, 0.5f, 0.1f, 0.3f, 0.5f}, prediction, reference) == 3.0 / 6);
  // 0.7 beats all three, 0.3 beats one and ties one: 4.5 of 6.
  CHECK(*error_detection_auc(Floats{0.3f, 0.7f, 0.1f, 0.3f, 0.5f}, prediction, reference) == 0.75);
  CHECK_FALSE(error_detection_auc(Floats(5, 0.4f), reference, reference).has_value());
  CHECK_FALSE(error_detection_auc(Floats(2), Labels{0, 1}, Labels{1, 0}).has_value());
  CHECK_FALSE(error_detection_auc({}, {}, {}).has_value());
}

TEST_CASE("error detection: AUC is the count over all pairs") {
  const PhiloxKey key{.seed = 31, .stream = Stream::test};
  Floats uncertainty;
  Labels prediction, reference;
  for (std::uint32_t i = 0; i < 300; ++i) {
    uncertainty.push_back(static_cast<float>(draw_below(key, 0, i, 20)));  // many ties
    prediction.push_back(static_cast<std::uint8_t>(draw_below(key, 1, i, 3)));
    reference.push_back(static_cast<std::uint8_t>(draw_below(key, 2, i, 3)));
  }
  double won = 0, pairs = 0;
  for (std::size_t a = 0; a < 300; ++a) {
    for (std::size_t b = 0; b < 300; ++b) {
      if (prediction[a] == reference[a] || prediction[b] != reference[b]) continue;
      won += uncertainty[a] > uncertainty[b] ? 1 : uncertainty[a] == uncertainty[b] ? 0.5 : 0;
      ++pairs;
    }
  }
  CHECK(*error_detection_auc(uncertainty, prediction, reference) == won / pairs);
}

TEST_CASE("Dice without the most uncertain voxels") {
  const Labels prediction = {1, 1, 1, 0, 0, 0, 1, 0}, reference = {1, 1, 0, 1, 0, 0, 1, 0};
  const Floats uncertainty = {0.1f, 0.2f, 0.9f, 0.8f, 0.3f, 0.0f, 0.5f, 0.4f};
  const auto dice = [&](double share) {
    return *dice_without_uncertain(uncertainty, prediction, reference, 1, share);
  };
  CHECK(dice(0) == 6.0 / 8);      // three in common, four a side
  CHECK(dice(0.124) == 6.0 / 8);  // floor(0.992) is none
  CHECK(dice(0.125) == 6.0 / 7);  // without voxel 2, wrongly predicted
  CHECK(dice(0.25) == 1.0);       // nor 3, missed
  CHECK(dice(0.375) == 1.0);      // nor 6, right
  CHECK(*dice_without_uncertain(uncertainty, prediction, reference, 0, 0.25) == 1.0);
  // Voxels 5 and 0 remain; then 5 alone, where class 1 is on neither side.
  CHECK(dice(0.75) == 1.0);
  CHECK_FALSE(dice_without_uncertain(uncertainty, prediction, reference, 1, 0.875).has_value());
  CHECK_FALSE(dice_without_uncertain(uncertainty, prediction, reference, 7, 0).has_value());
  CHECK_FALSE(dice_without_uncertain({}, {}, {}, 1, 0.5).has_value());
  CHECK(*dice_without_uncertain(Floats(2), Labels{1, 1}, Labels{0, 0}, 1, 0) == 0.0);  // one side empty
}

TEST_CASE("Dice without the most uncertain voxels: of equals the first stay") {
  // Voxels 2 and 4 are missed; 0 is sure, the others are equal.
  const Labels prediction = {0, 1, 0, 1, 0}, reference = {0, 1, 1, 1, 1};
  const Floats uncertainty = {0.1f, 0.5f, 0.5f, 0.5f, 0.5f};
  const auto dice = [&](double share) {
    return *dice_without_uncertain(uncertainty, prediction, reference, 1, share);
  };
  CHECK(dice(0) == 4.0 / 6);
  CHECK(dice(0.2) == 4.0 / 5);  // without 4
  CHECK(dice(0.4) == 2.0 / 3);  // without 3 and 4
  CHECK(dice(0.6) == 1.0);      // 0 and 1 remain
  CHECK_FALSE(dice_without_uncertain(uncertainty, prediction, reference, 1, 0.8).has_value());
  // The sure voxel stays wherever it stands.
  const Floats last = {0.5f, 0.5f, 0.5f, 0.5f, 0.1f};
  CHECK(*dice_without_uncertain(last, prediction, reference, 1, 0.6) == 0.0);  // 0 and 4 remain
}

TEST_CASE("calibration: arrays that do not fit are refused") {
  Calibration calibration;
  const Labels two(2), three(3);
  const Floats pair(2, 0.5f), triple(3, 0.5f);
  CHECK_THROWS_AS(add_voxels(calibration, triple, two), EngineError);
  CHECK_THROWS_AS(add_voxels(calibration, pair, three), EngineError);
  CHECK_THROWS_AS(add_voxels(calibration, {}, two), EngineError);
  CHECK_THROWS_AS(add_voxels(calibration, pair, {}), EngineError);
  CHECK_THROWS_AS(add_voxels(calibration, Floats{NAN}, Labels{0}), EngineError);
  CHECK_THROWS_AS(add_voxels(calibration, Floats{2.0f}, Labels{0}), EngineError);
  CHECK_NOTHROW(add_voxels(calibration, {}, {}));
  CHECK_FALSE(expected_calibration_error(calibration).has_value());
  Calibration none{{}};
  CHECK_THROWS_AS(add_voxels(none, pair, two), EngineError);

  CHECK_THROWS_AS(error_detection_auc(triple, two, two), EngineError);
  CHECK_THROWS_AS(error_detection_auc(pair, three, two), EngineError);
  CHECK_THROWS_AS(error_detection_auc(pair, two, three), EngineError);
  CHECK_THROWS_AS(error_detection_auc(Floats{0, NAN}, two, two), EngineError);
  CHECK_THROWS_AS(dice_without_uncertain(triple, two, two, 1, 0), EngineError);
  CHECK_THROWS_AS(dice_without_uncertain(pair, three, two, 1, 0), EngineError);
  CHECK_THROWS_AS(dice_without_uncertain(pair, two, three, 1, 0), EngineError);
  for (const double share : {-0.1, 1.0, double{NAN}})
    CHECK_THROWS_AS(dice_without_uncertain(pair, two, two, 1, share), EngineError);
}

}  // namespace duet
