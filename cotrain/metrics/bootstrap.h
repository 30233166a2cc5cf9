// Bootstrap intervals of a mean. Called by studies, for paired differences between two methods over the same
// cases and seeds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

struct Interval {
  double mean = 0, low = 0, high = 0;
};

// What was measured of case j under seed i; nothing where it was not. Rows may be of different lengths.
using SeedsByCases = std::vector<std::vector<std::optional<double>>>;

struct Resampling {
  double level = 0.95;
  Index resamples = 10000;
  std::uint64_t seed = 1;  // the draws are a function of it alone
};

// Percentile bootstrap (Efron) of the mean over seeds of means over cases. Two seeds are as little alike as
// two cases, and a case is the same under each seed: so `resamples` times as many seeds and as many cases are
// drawn with replacement, each case for all seeds drawn (Owen, "The pigeonhole bootstrap", Ann. Appl. Stat.
// 2007; one seed: the usual bootstrap over cases). The interval holds the quantiles (1 - level) / 2 and (1 +
// level) / 2 of the resamples' means, linear between ranks. Nothing where no value is there; one value is its
// own interval.
std::optional<Interval> bootstrap_mean(const SeedsByCases& values, const Resampling& how = {});

// The same of the ratio of two such means, both of the same draws; `mean` is the ratio of the means. A ratio
// to what may be nothing has no bounds (Fieller): low and high are infinite where the whole is not above 0 in
// more of the draws than the interval leaves out at one end (fewer such draws are left aside). Nothing where
// the whole itself is not above 0.
std::optional<Interval> bootstrap_ratio(const SeedsByCases& part, const SeedsByCases& whole,
                                        const Resampling& how = {});

}  // namespace duet
