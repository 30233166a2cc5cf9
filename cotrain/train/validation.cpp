#include "cotrain/train/validation.h"

#include "cotrain/predict/segment.h"

namespace duet {
namespace {

// Dice of one class, nothing where both sides are empty (method.md, "Metrics").
std::optional<double> dice_of(const std::vector<std::uint8_t>& prediction,
                              const std::vector<std::uint8_t>& reference, int index) {
  Index common = 0, total = 0;
  for (std::size_t v = 0; v < prediction.size(); ++v) {
    const bool p = prediction[v] == index, r = reference[v] == index;
    common += p && r;
    total += p + r;
  }
  if (total == 0) return std::nullopt;
  return 2.0 * static_cast<double>(common) / static_cast<double>(total);
}

}  // namespace

ValidationScore validate(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                         const std::vector<LoadedCase>& cases, int classes, WindowConfig windows) {
  const std::size_t predictors = networks.size() > 1 ? networks.size() + 1 : 1;
  const auto foreground = static_cast<std::size_t>(classes - 1);
  std::vector<std::vector<double>> sum(predictors, std::vector<double>(foreground));
  std::vector<std::vector<Index>> count(predictors, std::vector<Index>(foreground));
  windows.samples = 0;
  windows.each_network = networks.size() > 1;
  for (const LoadedCase& each : cases) {
    const Segmentation found = segment_volume(backend, networks, each.image, each.frame, windows);
    const std::vector<std::uint8_t> reference = crop(each.labels, each.frame);
    for (std::size_t k = 0; k < predictors; ++k) {
      const std::vector<std::uint8_t>& labels = k + 1 == predictors ? found.labels : found.networks[k];
      for (std::size_t c = 0; c < foreground; ++c) {
        if (const auto dice = dice_of(labels, reference, static_cast<int>(c) + 1)) {
          sum[k][c] += *dice;
          ++count[k][c];
        }
      }
    }
  }
  ValidationScore score;
  score.dice.assign(predictors, std::vector<std::optional<double>>(foreground));
  double total = 0;
  Index defined = 0;
  for (std::size_t k = 0; k < predictors; ++k) {
    for (std::size_t c = 0; c < foreground; ++c) {
      if (count[k][c] == 0) continue;
      score.dice[k][c] = sum[k][c] / static_cast<double>(count[k][c]);
      if (k + 1 == predictors) {
        total += *score.dice[k][c];
        ++defined;
      }
    }
  }
  if (defined > 0) score.chosen = total / static_cast<double>(defined);
  return score;
}

}  // namespace duet
