#include "cotrain/metrics/class_metrics.h"

#include <algorithm>
#include <cmath>

#include "engine/core/errors.h"

namespace duet {
namespace {

void check_arguments(std::size_t prediction, std::size_t reference, const Triple& size,
                     const Spacing& spacing) {
  const Index voxels = checked_elements({1, size[0], size[1], size[2], 1});
  DUET_CHECK(static_cast<Index>(prediction) == voxels, "metrics: size (", size[0], ",", size[1], ",", size[2],
             ") expects ", voxels, " predicted voxels, got ", prediction);
  DUET_CHECK(static_cast<Index>(reference) == voxels, "metrics: size (", size[0], ",", size[1], ",", size[2],
             ") expects ", voxels, " reference voxels, got ", reference);
  for (const double mm : spacing) {
    DUET_CHECK(std::isfinite(mm) && mm > 0, "metrics: spacing must be a positive number of mm, got ", mm);
  }
}

// Distances in mm from each voxel of `from` to the nearest of `to`.
std::vector<double> distances_between(std::span<const Index> from, std::span<const Index> to,
                                      const Triple& size, const Spacing& spacing) {
  const std::vector<double> squared = squared_distances(to, size, spacing);
  std::vector<double> distances;
  distances.reserve(from.size());
  for (const Index voxel : from) distances.push_back(std::sqrt(squared[voxel]));
  return distances;
}

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

double percentile(std::vector<double> values, double percent) {
  DUET_CHECK(!values.empty(), "percentile: of no values");
  const double rank = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(rank));
  const auto low = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), low, values.end());
  if (below + 1 == values.size()) return *low;
  const double next = *std::min_element(low + 1, values.end());
  return *low + (rank - static_cast<double>(below)) * (next - *low);
}

ClassMetrics evaluate_class(std::span<const std::uint8_t> prediction, std::span<const std::uint8_t> reference,
                            const Triple& size, const Spacing& spacing, std::uint8_t class_index) {
  check_arguments(prediction.size(), reference.size(), size, spacing);
  ClassMetrics metrics;
  for (std::size_t i = 0; i < prediction.size(); ++i) {
    const bool in_prediction = prediction[i] == class_index, in_reference = reference[i] == class_index;
    metrics.prediction_voxels += in_prediction;
    metrics.reference_voxels += in_reference;
    metrics.common_voxels += in_prediction && in_reference;
  }
  const Index both = metrics.prediction_voxels + metrics.reference_voxels;
  if (both == 0) return metrics;
  const auto common = static_cast<double>(metrics.common_voxels);
  metrics.dice = 2.0 * common / static_cast<double>(both);
  metrics.jaccard = common / static_cast<double>(both - metrics.common_voxels);
  if (metrics.prediction_voxels == 0 || metrics.reference_voxels == 0) return metrics;

  // Neither class leaves the box, so surfaces and nearest voxels inside it are those of the whole image.
  const Box box = bounding_box(prediction, reference, size, class_index);
  const std::vector<Index> of_prediction =
      surface_voxels(crop_mask(prediction, size, box, class_index), box.size());
  const std::vector<Index> of_reference =
      surface_voxels(crop_mask(reference, size, box, class_index), box.size());
  std::vector<double> there = distances_between(of_prediction, of_reference, box.size(), spacing);
  const std::vector<double> back = distances_between(of_reference, of_prediction, box.size(), spacing);
  metrics.asd = mean_of(there);
  metrics.assd = 0.5 * (mean_of(there) + mean_of(back));
  there.insert(there.end(), back.begin(), back.end());
  metrics.hd95 = percentile(std::move(there), 95.0);
  return metrics;
}

}  // namespace duet
