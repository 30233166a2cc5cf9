#include "cotrain/metrics/calibration.h"

#include <algorithm>
#include <cmath>

#include "engine/core/errors.h"

namespace duet {
namespace {

// NaN has no rank, and sorting it is undefined.
void check_maps(std::span<const float> uncertainty, std::span<const std::uint8_t> prediction,
                std::span<const std::uint8_t> reference) {
  DUET_CHECK(uncertainty.size() == reference.size() && prediction.size() == reference.size(),
             "calibration: ", uncertainty.size(), " uncertainties, ", prediction.size(), " predicted and ",
             reference.size(), " reference voxels");
  DUET_CHECK(std::none_of(uncertainty.begin(), uncertainty.end(), [](float u) { return std::isnan(u); }),
             "calibration: an uncertainty is not a number");
}

}  // namespace

void add_voxels(Calibration& calibration, std::span<const float> probabilities,
                std::span<const std::uint8_t> reference) {
  const std::size_t voxels = reference.size(), bins = calibration.bins.size();
  const std::size_t classes = voxels == 0 ? 0 : probabilities.size() / voxels;
  DUET_CHECK(bins > 0, "calibration: no bins");
  DUET_CHECK(classes * voxels == probabilities.size() && (classes > 0 || voxels == 0),
             "calibration: expected (C, voxels) probabilities of ", voxels, " voxels, got ",
             probabilities.size());
  for (std::size_t i = 0; i < voxels; ++i) {
    std::size_t best = 0;  // the first of equals, as labels have it
    for (std::size_t c = 1; c < classes; ++c) {
      if (probabilities[c * voxels + i] > probabilities[best * voxels + i]) best = c;
    }
    const double greatest = probabilities[best * voxels + i];
    DUET_CHECK(greatest >= 0 && greatest <= 1.001, "calibration: voxel ", i, " has the probability ",
               greatest);
    const double confidence = std::min(greatest, 1.0);  // a mean of softmaxes may round to above 1
    // In double the product of a float is exact, so a border is in the bin that begins there.
    const auto bin = static_cast<std::size_t>(confidence * static_cast<double>(bins));
    CalibrationBin& of = calibration.bins[std::min(bin, bins - 1)];
    ++of.voxels;
    of.confidence += confidence;
    of.correct += best == reference[i];
  }
}

std::optional<double> expected_calibration_error(const Calibration& calibration) {
  Index voxels = 0;
  double gaps = 0;  // n_b |accuracy_b - confidence_b|
  for (const CalibrationBin& bin : calibration.bins) {
    voxels += bin.voxels;
    gaps += std::abs(static_cast<double>(bin.correct) - bin.confidence);
  }
  if (voxels == 0) return std::nullopt;
  return gaps / static_cast<double>(voxels);
}

std::optional<double> error_detection_auc(std::span<const float> uncertainty,
                                          std::span<const std::uint8_t> prediction,
                                          std::span<const std::uint8_t> reference) {
  check_maps(uncertainty, prediction, reference);
  std::vector<float> wrong, right;
  for (std::size_t i = 0; i < uncertainty.size(); ++i) {
    (prediction[i] == reference[i] ? right : wrong).push_back(uncertainty[i]);
  }
  if (wrong.empty() || right.empty()) return std::nullopt;
  std::sort(wrong.begin(), wrong.end());
  std::sort(right.begin(), right.end());
  Index halves = 0;  // pairs won count two, ties one: exact in integers
  std::size_t below = 0, up_to = 0;
  for (const float u : wrong) {
    while (below < right.size() && right[below] < u) ++below;
    while (up_to < right.size() && right[up_to] <= u) ++up_to;
    halves += static_cast<Index>(below + up_to);
  }
  return static_cast<double>(halves) /
         (2.0 * static_cast<double>(wrong.size()) * static_cast<double>(right.size()));
}

std::optional<double> dice_without_uncertain(std::span<const float> uncertainty,
                                             std::span<const std::uint8_t> prediction,
                                             std::span<const std::uint8_t> reference, std::uint8_t index,
                                             double share) {
  check_maps(uncertainty, prediction, reference);
  DUET_CHECK(share >= 0 && share < 1, "calibration: the share left out must be in [0, 1), got ", share);
  const auto out = static_cast<std::size_t>(share * static_cast<double>(uncertainty.size()));
  const std::size_t kept = uncertainty.size() - out;
  if (kept == 0) return std::nullopt;
  // The greatest uncertainty that stays, and how many of its equals do.
  std::vector<float> ranked(uncertainty.begin(), uncertainty.end());
  const auto last = ranked.begin() + static_cast<std::ptrdiff_t>(kept - 1);
  std::nth_element(ranked.begin(), last, ranked.end());
  const float limit = *last;
  auto equals = static_cast<std::ptrdiff_t>(kept) -
                std::count_if(ranked.begin(), last, [limit](float u) { return u < limit; });
  Index common = 0, both = 0;
  for (std::size_t i = 0; i < uncertainty.size(); ++i) {
    if (uncertainty[i] > limit || (uncertainty[i] == limit && equals-- <= 0)) continue;
    const bool in_prediction = prediction[i] == index, in_reference = reference[i] == index;
    common += in_prediction && in_reference;
    both += in_prediction + in_reference;
  }
  if (both == 0) return std::nullopt;
  return 2.0 * static_cast<double>(common) / static_cast<double>(both);
}

}  // namespace duet
