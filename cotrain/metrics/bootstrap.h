// Bootstrap intervals of a mean. Called by studies, for paired differences between two methods over the same
// cases and seeds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/core/shape.h"

namespace duet {

struct Interval {
  double mean = 0, low = 0, high = 0;
};

// Percentile bootstrap of the mean (Efron): `resamples` times as many values drawn with replacement, the
// quantiles (1 - level) / 2 and (1 + level) / 2 of their means, linear between ranks. The draws are a
// function of `seed` alone. Nothing for no values; one value is its own interval.
std::optional<Interval> bootstrap_mean(std::span<const double> values, double level = 0.95,
                                       Index resamples = 10000, std::uint64_t seed = 1);

}  // namespace duet
