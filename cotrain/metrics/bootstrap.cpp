#include "cotrain/metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
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

std::size_t most_cases(const SeedsByCases& values) {
  std::size_t cases = 0;
  for (const auto& of_seed : values) cases = std::max(cases, of_seed.size());
  return cases;
}

void check(const SeedsByCases& values) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();  // a word of the counter
  for (const auto& of_seed : values) {
    for (const auto& value : of_seed) {
      DUET_CHECK(!value || std::isfinite(*value), "bootstrap: values must be finite, got ", *value);
    }
  }
  DUET_CHECK(most_cases(values) <= kMost && values.size() <= kMost, "bootstrap: at most ", kMost,
             " seeds and cases, got ", values.size(), " and ", most_cases(values));
}

// What `figure` says of each of many draws of seeds and cases, where it says something.
template <class Figure>
std::vector<double> resampled(std::size_t seeds, std::size_t cases, const Resampling& how,
                              const Figure& figure) {
  std::vector<double> figures;
  PhiloxKey key{.seed = how.seed, .stream = Stream::bootstrap};
  for (Index resample = 0; resample < how.resamples; ++resample, ++key.step) {
    const std::optional<double> drawn = figure(draw(key, Draw::seeds, seeds), draw(key, Draw::cases, cases));
    if (drawn) figures.push_back(*drawn);
  }
  return figures;
}

Interval between_quantiles(double mean, std::vector<double> figures, double level) {
  if (figures.empty()) figures.push_back(mean);
  return {mean, percentile(figures, 50 * (1 - level)), percentile(figures, 50 * (1 + level))};
}

void check(const Resampling& how) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
  DUET_CHECK(how.level > 0 && how.level < 1, "bootstrap: level must be between 0 and 1, got ", how.level);
  DUET_CHECK(how.resamples >= 1 && how.resamples <= Index{kMost}, "bootstrap: resamples must be in [1, ",
             kMost, "], got ", how.resamples);
}

}  // namespace

std::optional<Interval> bootstrap_mean(const SeedsByCases& values, const Resampling& how) {
  check(how);
  check(values);
  const std::size_t seeds = values.size(), cases = most_cases(values);
  const auto mean = drawn_mean(values, Times(seeds, 1), Times(cases, 1));
  if (!mean) return std::nullopt;
  return between_quantiles(
      *mean,
      resampled(seeds, cases, how, [&](const Times& s, const Times& c) { return drawn_mean(values, s, c); }),
      how.level);
}

std::optional<Interval> bootstrap_ratio(const SeedsByCases& part, const SeedsByCases& whole,
                                        const Resampling& how) {
  check(how);
  check(part);
  check(whole);
  DUET_CHECK(part.size() == whole.size() && most_cases(part) == most_cases(whole),
             "bootstrap_ratio: expected the same seeds and cases, got ", part.size(), " by ",
             most_cases(part), " and ", whole.size(), " by ", most_cases(whole));
  const std::size_t seeds = part.size(), cases = most_cases(part);
  std::size_t without = 0;  // draws whose whole is not above 0
  const auto ratio = [&](const Times& s, const Times& c) -> std::optional<double> {
    const auto above = drawn_mean(part, s, c), below = drawn_mean(whole, s, c);
    if (!above || !below) return std::nullopt;
    if (*below <= 0) {
      ++without;
      return std::nullopt;
    }
    return *above / *below;
  };
  const auto plain = ratio(Times(seeds, 1), Times(cases, 1));
  if (!plain) return std::nullopt;
  std::vector<double> ratios = resampled(seeds, cases, how, ratio);
  if (static_cast<double>(without) > (1 - how.level) / 2 * static_cast<double>(how.resamples)) {
    constexpr double kNoBound = std::numeric_limits<double>::infinity();
    return Interval{*plain, -kNoBound, kNoBound};
  }
  return between_quantiles(*plain, std::move(ratios), how.level);
}

}  // namespace duet
