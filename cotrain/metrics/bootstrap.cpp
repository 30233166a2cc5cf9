#include "cotrain/metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cotrain/metrics/class_metrics.h"
#include "engine/core/errors.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

using Times = std::vector<std::uint32_t>;  // how often each of some things was drawn

enum class Draw : std::uint32_t { cases, seeds };

Times draw(PhiloxKey key, Draw what, std::size_t count) {
  key.layer = static_cast<std::uint32_t>(what);
  Times times(count, 0);
  const auto bound = static_cast<std::uint32_t>(count);
  for (std::uint32_t i = 0; i < bound; ++i) ++times[draw_below(key, 0, i, bound)];
  return times;
}

// Mean over the seeds drawn of the means over the cases drawn; nothing where all that was drawn is missing.
std::optional<double> drawn_mean(const SeedsByCases& values, const Times& seeds, const Times& cases) {
  double sum = 0, seeds_there = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double in_seed = 0, there = 0;
    for (std::size_t j = 0; j < values[i].size(); ++j) {
      if (!values[i][j]) continue;
      in_seed += cases[j] * *values[i][j];
      there += cases[j];
    }
    if (there == 0) continue;
    sum += seeds[i] * (in_seed / there);
    seeds_there += seeds[i];
  }
  if (seeds_there == 0) return std::nullopt;
  return sum / seeds_there;
}

}  // namespace

std::optional<Interval> bootstrap_mean(const SeedsByCases& values, double level, Index resamples,
                                       std::uint64_t seed) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();  // a word of the counter
  DUET_CHECK(level > 0 && level < 1, "bootstrap: level must be between 0 and 1, got ", level);
  DUET_CHECK(resamples >= 1 && resamples <= Index{kMost}, "bootstrap: resamples must be in [1, ", kMost,
             "], got ", resamples);
  std::size_t cases = 0;
  for (const auto& of_seed : values) {
    cases = std::max(cases, of_seed.size());
    for (const auto& value : of_seed) {
      DUET_CHECK(!value || std::isfinite(*value), "bootstrap: values must be finite, got ", *value);
    }
  }
  DUET_CHECK(cases <= kMost && values.size() <= kMost, "bootstrap: at most ", kMost, " seeds and cases, got ",
             values.size(), " and ", cases);
  const auto mean = drawn_mean(values, Times(values.size(), 1), Times(cases, 1));
  if (!mean) return std::nullopt;
  std::vector<double> means;
  PhiloxKey key{.seed = seed, .stream = Stream::bootstrap};
  for (Index resample = 0; resample < resamples; ++resample, ++key.step) {
    const auto drawn =
        drawn_mean(values, draw(key, Draw::seeds, values.size()), draw(key, Draw::cases, cases));
    if (drawn) means.push_back(*drawn);
  }
  if (means.empty()) means.push_back(*mean);
  return Interval{*mean, percentile(means, 50 * (1 - level)), percentile(means, 50 * (1 + level))};
}

}  // namespace duet
