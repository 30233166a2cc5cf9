// The learning rate over iterations. Called by the trainer; a pure function, so a resumed run goes on as it
// would have.
#pragma once

#include <string>

#include "engine/core/shape.h"

namespace duet {

struct ScheduleConfig {
  std::string name = "constant";  // or "step", "polynomial"
  double rate = 0.01;
  double factor = 10.0;  // step: the rate is divided by it ...
  Index every = 2500;    // ... every so many iterations
  double power = 0.9;    // polynomial: rate (1 - t / total)^power
  Index total = 6000;
  Index warmup =
      0;  // the first so many iterations rise linearly, (t + 1) / warmup of the schedule's rate; 0: none
};

// Throws EngineError naming the key.
void check_schedule(const ScheduleConfig& config);

// At iteration t = 0, 1, ...; 0 from t = total on where polynomial.
double rate_at(const ScheduleConfig& config, Index t);

}  // namespace duet
