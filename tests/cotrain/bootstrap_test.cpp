// Bootstrap intervals against cases whose answer is known.
#include "cotrain/metrics/bootstrap.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <vector>

#include "engine/core/errors.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

// Smallest k with P(X <= k) >= share, X binomial (n, p).
int binomial_quantile(int n, double p, double share) {
  double term = std::pow(1 - p, n), sum = term;
  int k = 0;
  while (sum < share && k < n) {
    term *= p / (1 - p) * (n - k) / (k + 1);
    sum += term;
    ++k;
  }
  return k;
}

std::vector<double> normal_sample(std::uint32_t number, int count) {
  std::vector<double> values;
  const PhiloxKey key{.seed = 21, .stream = Stream::test, .step = number};
  for (int i = 0; i < count; ++i) values.push_back(5 + 2 * draw_normal(key, 0, i));
  return values;
}

SeedsByCases one_seed(const std::vector<double>& values) {
  return {std::vector<std::optional<double>>(values.begin(), values.end())};
}

}  // namespace

TEST_CASE("bootstrap: nothing, one value, constant values") {
  CHECK_FALSE(bootstrap_mean({}).has_value());
  CHECK_FALSE(bootstrap_mean({{}, {std::nullopt, std::nullopt}}).has_value());
  const Interval single = *bootstrap_mean(one_seed({0.1}));
  CHECK(single.mean == 0.1);
  CHECK(single.low == 0.1);
  CHECK(single.high == 0.1);
  const Interval constant = *bootstrap_mean(one_seed(std::vector<double>(7, 0.1)));
  CHECK(constant.mean == doctest::Approx(0.1).epsilon(1e-15));
  CHECK(constant.low == doctest::Approx(0.1).epsilon(1e-15));
  CHECK(constant.high == doctest::Approx(0.1).epsilon(1e-15));
}

TEST_CASE("bootstrap: zeros and ones give the quantiles of the binomial distribution") {
  struct Case {
    int n, ones;
    double level;
    int low, high;  // of n
  };
  // By hand, from the cumulative probabilities on either side of the wanted one; all are over eight standard
  // errors of 10000 resamples from it.
  //   (2, 1/2):   0.25 0.75 1                at 0.025, 0.975; at 0.3, 0.7 both inside the middle
  //   (10, 1/2):  0.0107 0.0547 ... 0.9453 0.9893        at 0.025, 0.975
  //   (10, 3/10): 0.0282 0.1493 ... 0.8497 0.9527        at 0.1, 0.9
  for (const Case& c :
       {Case{2, 1, 0.95, 0, 2}, Case{2, 1, 0.4, 1, 1}, Case{10, 5, 0.95, 2, 8}, Case{10, 3, 0.8, 1, 5}}) {
    CAPTURE(c.n);
    CAPTURE(c.level);
    const double p = static_cast<double>(c.ones) / c.n;
    CHECK(binomial_quantile(c.n, p, (1 - c.level) / 2) == c.low);
    CHECK(binomial_quantile(c.n, p, (1 + c.level) / 2) == c.high);
    std::vector<double> values(c.n, 0.0);
    for (int i = 0; i < c.ones; ++i) values[i] = 1;
    for (const std::uint64_t seed : {1, 2, 3}) {
      const Interval interval = *bootstrap_mean(one_seed(values), {c.level, 10000, seed});
      CHECK(interval.mean == p);
      CHECK(interval.low == static_cast<double>(c.low) / c.n);
      CHECK(interval.high == static_cast<double>(c.high) / c.n);
    }
  }
}

TEST_CASE("bootstrap: about 95% of the intervals of normal samples hold the mean") {
  constexpr int kSamples = 400, kCount = 50;
  int held = 0;
  double width = 0;
  for (std::uint32_t number = 0; number < kSamples; ++number) {
    const std::vector<double> values = normal_sample(number, kCount);
    const Interval interval = *bootstrap_mean(one_seed(values), {0.95, 1000, number});
    held += interval.low <= 5 && 5 <= interval.high;
    width += (interval.high - interval.low) / kSamples;
  }
  // Three standard errors of 400 trials are 0.033; 50 values cost the percentile interval about 0.01.
  CHECK(held / double{kSamples} > 0.91);
  CHECK(held / double{kSamples} < 0.98);
  // 2 * 1.96 * sigma / sqrt(n), the plug-in sigma a hundredth short.
  CHECK(width == doctest::Approx(2 * 1.96 * 2 / std::sqrt(double{kCount})).scale(0).epsilon(0.03));
}

TEST_CASE("bootstrap: seeds are drawn as cases are") {
  // All cases of a seed alike: of two seeds both are drawn alike with probability 1/4 each, so both ends are
  // a seed's; of ten cases as many would not.
  const SeedsByCases by_seed{std::vector<std::optional<double>>(10, 0.0),
                             std::vector<std::optional<double>>(10, 1.0)};
  const Interval apart = *bootstrap_mean(by_seed);
  CHECK(apart.mean == 0.5);
  CHECK(apart.low == 0);
  CHECK(apart.high == 1);
  // A case alike under all seeds: seeds add nothing, so the interval is that of ten cases, not of thirty.
  const std::vector<std::optional<double>> halves{0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  const Interval alike = *bootstrap_mean({halves, halves, halves});
  CHECK(alike.low == doctest::Approx(0.2));  // of the binomial distribution, as above
  CHECK(alike.high == doctest::Approx(0.8));
  // A seed counts as a whole, however few of its cases are there.
  const Interval ragged = *bootstrap_mean({{0.0, 0.0, 0.0, std::nullopt}, {1.0}});
  CHECK(ragged.mean == 0.5);
  CHECK(ragged.low == 0);
  CHECK(ragged.high == 1);
}

TEST_CASE("bootstrap: the seed decides the interval; shifts and scales go through it") {
  std::vector<double> values = normal_sample(9, 20);
  const Interval first = *bootstrap_mean(one_seed(values), {0.95, 1000, 4}),
                 again = *bootstrap_mean(one_seed(values), {0.95, 1000, 4});
  CHECK(first.low == again.low);
  CHECK(first.high == again.high);
  // The high half of the seed counts too.
  for (const std::uint64_t seed : {std::uint64_t{5}, std::uint64_t{4} | std::uint64_t{1} << 32}) {
    const Interval other = *bootstrap_mean(one_seed(values), {0.95, 1000, seed});
    CHECK(other.mean == first.mean);
    CHECK(other.low != first.low);
    CHECK(other.low == doctest::Approx(first.low).scale(0).epsilon(0.05));
  }
  CHECK(bootstrap_mean(one_seed(values), {0.8, 1000, 4})->low > first.low);
  CHECK(bootstrap_mean(one_seed(values), {0.8, 1000, 4})->high < first.high);
  for (double& value : values) value = 10 - 3 * value;
  const Interval turned = *bootstrap_mean(one_seed(values), {0.95, 1000, 4});
  CHECK(turned.low == doctest::Approx(10 - 3 * first.high));
  CHECK(turned.high == doctest::Approx(10 - 3 * first.low));
}

TEST_CASE("bootstrap: the quantiles are linear between ranks") {
  const SeedsByCases values = one_seed({0.0, 1.0, 4.0, 9.0});
  // Of two means a and b at level 0.5: a + (b - a) / 4 and a + 3 (b - a) / 4. The level near 1 shows a and b.
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Interval ends = *bootstrap_mean(values, {1 - 1e-12, 2, seed});
    const Interval inner = *bootstrap_mean(values, {0.5, 2, seed});
    CHECK(inner.low == doctest::Approx(0.75 * ends.low + 0.25 * ends.high));
    CHECK(inner.high == doctest::Approx(0.25 * ends.low + 0.75 * ends.high));
  }
}

TEST_CASE("bootstrap: a ratio draws its two means together") {
  // A third of each case's whole: a third of the means, whatever is drawn.
  const SeedsByCases whole{{3.0, 6.0, std::nullopt}, {9.0, 12.0, 6.0}},
      third{{1.0, 2.0, std::nullopt}, {3.0, 4.0, 2.0}};
  const Interval exact = *bootstrap_ratio(third, whole);
  for (const double share : {exact.mean, exact.low, exact.high}) CHECK(share == doctest::Approx(1.0 / 3));
  // Of two cases both are drawn alike with probability 1/4 each: 1/4 and 3/2 are the ends, (1 + 3) / (4 + 2)
  // is the middle; the mean of the two ratios would be 7/8.
  const Interval apart = *bootstrap_ratio(one_seed({1.0, 3.0}), one_seed({4.0, 2.0}));
  CHECK(apart.mean == doctest::Approx(4.0 / 6));
  CHECK(apart.low == 0.25);
  CHECK(apart.high == 1.5);
  // A whole that may be nothing (two of two drawn negative: 1/4) bounds no ratio, at a level of 0.95; at 0.4
  // it does, of the draws that have one: 1/8 and, twice as often, (1 + 1) / (8 - 1).
  const SeedsByCases one = one_seed({1.0, 1.0}), unsure = one_seed({8.0, -1.0});
  const Interval open = *bootstrap_ratio(one, unsure);
  CHECK(open.mean == doctest::Approx(2.0 / 7));
  CHECK(open.low == -std::numeric_limits<double>::infinity());
  CHECK(open.high == std::numeric_limits<double>::infinity());
  const Interval some = *bootstrap_ratio(one, unsure, {.level = 0.4});
  CHECK(some.low == 0.125);
  CHECK(some.high == doctest::Approx(2.0 / 7));
  CHECK_FALSE(bootstrap_ratio(one, one_seed({0.0, 0.0})));
  CHECK_FALSE(bootstrap_ratio({{std::nullopt}}, {{std::nullopt}}));
  CHECK_THROWS_AS(bootstrap_ratio(one, one_seed({1.0})), EngineError);
}

TEST_CASE("bootstrap: what makes no sense is refused") {
  const SeedsByCases values = one_seed({1.0, 2.0});
  for (const double level : {0.0, 1.0, -0.5, 95.0, double{NAN}})
    CHECK_THROWS_AS(bootstrap_mean(values, {.level = level}), EngineError);
  for (const Index resamples : {Index{0}, Index{-1}, Index{1} << 32})
    CHECK_THROWS_AS(bootstrap_mean(values, {.resamples = resamples}), EngineError);
  for (const double bad : {double{NAN}, std::numeric_limits<double>::infinity()}) {
    const SeedsByCases with_bad = one_seed({1.0, bad});
    CHECK_THROWS_AS(bootstrap_mean(with_bad), EngineError);
  }
}

}  // namespace duet
