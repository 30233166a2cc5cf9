#include "cotrain/metrics/bootstrap.h"

#include <cmath>
#include <limits>
#include <vector>

#include "cotrain/metrics/class_metrics.h"
#include "engine/core/errors.h"
#include "engine/core/philox.h"

namespace duet {

std::optional<Interval> bootstrap_mean(std::span<const double> values, double level, Index resamples,
                                       std::uint64_t seed) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();  // a word of the counter
  DUET_CHECK(level > 0 && level < 1, "bootstrap: level must be between 0 and 1, got ", level);
  DUET_CHECK(resamples >= 1 && resamples <= Index{kMost}, "bootstrap: resamples must be in [1, ", kMost,
             "], got ", resamples);
  DUET_CHECK(values.size() <= kMost, "bootstrap: at most ", kMost, " values, got ", values.size());
  if (values.empty()) return std::nullopt;
  const auto count = static_cast<std::uint32_t>(values.size());
  double sum = 0;
  for (const double value : values) {
    DUET_CHECK(std::isfinite(value), "bootstrap: values must be finite, got ", value);
    sum += value;
  }
  std::vector<double> means(static_cast<std::size_t>(resamples));
  PhiloxKey key{.seed = seed, .stream = Stream::bootstrap};
  for (double& mean : means) {
    double drawn = 0;
    for (std::uint32_t i = 0; i < count; ++i) drawn += values[draw_below(key, 0, i, count)];
    mean = drawn / count;
    ++key.step;  // a step a resample
  }
  return Interval{sum / count, percentile(means, 50 * (1 - level)), percentile(means, 50 * (1 + level))};
}

}  // namespace duet
