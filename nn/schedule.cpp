#include "nn/schedule.h"

#include <cmath>

#include "engine/core/errors.h"

namespace duet {

void check_schedule(const ScheduleConfig& config) {
  const bool step = config.name == "step", polynomial = config.name == "polynomial";
  DUET_CHECK(step || polynomial || config.name == "constant", "schedule: name '", config.name,
             "' should be constant, step or polynomial");
  DUET_CHECK(config.rate > 0.0 && std::isfinite(config.rate), "schedule: rate ", config.rate,
             " should be above 0");
  DUET_CHECK(!step || (config.factor > 0.0 && config.every > 0), "schedule: factor ", config.factor,
             " and every ", config.every, " should be above 0");
  DUET_CHECK(!polynomial || (config.total > 0 && config.power >= 0.0), "schedule: total ", config.total,
             " should be above 0, power ", config.power, " 0 or more");
  DUET_CHECK(config.warmup >= 0, "schedule: warmup ", config.warmup, " should be 0 or more");
}

double rate_at(const ScheduleConfig& config, Index t) {
  check_schedule(config);
  double rate = config.rate;
  if (config.name == "step") {
    const Index drops = t / config.every;
    rate *= std::pow(config.factor, -static_cast<double>(drops));
  }
  if (config.name == "polynomial") {
    const double left = 1.0 - static_cast<double>(t) / static_cast<double>(config.total);
    rate *= left > 0.0 ? std::pow(left, config.power) : 0.0;
  }
  if (t < config.warmup) rate *= static_cast<double>(t + 1) / static_cast<double>(config.warmup);
  return rate;
}

}  // namespace duet
