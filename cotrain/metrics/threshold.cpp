#include "cotrain/metrics/threshold.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/core/errors.h"
#include "engine/core/shape.h"

namespace duet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Intensities in ascending order and, before each, how many voxels of the class came.
struct Ranked {
  std::vector<float> values;
  std::vector<Index> hits_before;  // one more entry than values
};

Ranked rank_intensities(std::span<const float> image, std::span<const std::uint8_t> reference,
                        std::uint8_t class_index) {
  DUET_CHECK(image.size() == reference.size(), "threshold: ", image.size(), " intensities, ",
             reference.size(), " labels");
  std::vector<Index> order(image.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::sort(order.begin(), order.end(), [&](Index a, Index b) { return image[a] < image[b]; });
  Ranked ranked;
  ranked.hits_before.push_back(0);
  for (const Index i : order) {
    ranked.values.push_back(image[i]);
    ranked.hits_before.push_back(ranked.hits_before.back() + (reference[i] == class_index));
  }
  return ranked;
}

// Dice of the voxels of rank [begin, end).
double dice_of_ranks(const Ranked& r, std::size_t begin, std::size_t end) {
  const auto hits = static_cast<double>(r.hits_before[end] - r.hits_before[begin]);
  return 2.0 * hits / static_cast<double>(static_cast<Index>(end - begin) + r.hits_before.back());
}

}  // namespace

ThresholdDice best_threshold_dice(std::span<const float> image, std::span<const std::uint8_t> reference,
                                  std::uint8_t class_index) {
  const Ranked r = rank_intensities(image, reference, class_index);
  ThresholdDice best;
  if (r.hits_before.back() == 0) return best;
  for (std::size_t cut = 0; cut <= r.values.size(); ++cut) {
    // Equal intensities cannot be told apart.
    if (cut > 0 && cut < r.values.size() && r.values[cut - 1] == r.values[cut]) continue;
    if (const double above = cut < r.values.size() ? dice_of_ranks(r, cut, r.values.size()) : 0;
        above > best.dice) {
      best = {above, r.values[cut], kInfinity};
    }
    if (const double below = cut > 0 ? dice_of_ranks(r, 0, cut) : 0; below > best.dice)
      best = {below, -kInfinity, r.values[cut - 1]};
  }
  return best;
}

ThresholdDice best_interval_dice(std::span<const float> image, std::span<const std::uint8_t> reference,
                                 std::uint8_t class_index, int steps) {
  DUET_CHECK(steps >= 1, "threshold: steps must be at least 1, got ", steps);
  const Ranked r = rank_intensities(image, reference, class_index);
  ThresholdDice best;
  if (r.hits_before.back() == 0) return best;
  std::vector<std::size_t> cuts;
  for (int k = 0; k <= steps; ++k) {
    std::size_t cut = r.values.size() * static_cast<std::size_t>(k) / static_cast<std::size_t>(steps);
    while (cut > 0 && cut < r.values.size() && r.values[cut - 1] == r.values[cut]) ++cut;
    if (cuts.empty() || cut > cuts.back()) cuts.push_back(cut);
  }
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    for (std::size_t j = i + 1; j < cuts.size(); ++j) {
      const double dice = dice_of_ranks(r, cuts[i], cuts[j]);
      if (dice > best.dice) best = {dice, r.values[cuts[i]], r.values[cuts[j] - 1]};
    }
  }
  return best;
}

}  // namespace duet
