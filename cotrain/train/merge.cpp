#include "cotrain/train/merge.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace duet {
namespace {

constexpr double kNothing = 1e-12;  // a norm below this is rounding, not a direction with a scale

// Where lanes agree, or one is 0, the conflict is 0 whatever it is divided by.
LaneCoefficients projected(const LaneProducts& p) {
  const double conflict = std::min(0.0, p.inner), least = std::numeric_limits<double>::min();
  return {1 - conflict / std::max(p.supervised, least), 1 - conflict / std::max(p.unsupervised, least)};
}

LaneCoefficients balanced(const LaneBalance& balance) {
  LaneCoefficients by;
  if (balance.supervised.count > 0 && balance.unsupervised.count > 0) {
    by.unsupervised = balance.supervised.mean / balance.unsupervised.mean;
  }
  return by;
}

}  // namespace

void measure(RunningMean& running, double value, double decay) {
  ++running.count;
  const double weight = (1.0 - decay) / (1.0 - std::pow(decay, static_cast<double>(running.count)));
  running.mean += weight * (value - running.mean);
}

LaneCoefficients merge_coefficients(const MethodConfig& config, const LaneProducts& products, double lambda,
                                    LaneBalance& balance) {
  if (config.merge == MergeRule::project) return projected(products);
  if (config.merge == MergeRule::sum) return {};
  const double supervised = std::sqrt(products.supervised), unsupervised = std::sqrt(products.unsupervised);
  if (supervised > kNothing) measure(balance.supervised, supervised, config.balance_decay);
  if (lambda > 0 && unsupervised / lambda > kNothing)
    measure(balance.unsupervised, unsupervised / lambda, config.balance_decay);
  return balanced(balance);
}

}  // namespace duet
