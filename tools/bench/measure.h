// Times steps: the one line of JSON that stands beside the peer's, and the profile of one step.
#pragma once

#include <vector>

#include "engine/backend/timed/timed.h"
#include "tools/bench/work.h"

namespace duet::bench {

struct Measured {
  double median_s = 0, min_s = 0;
  // Greatest memory at the end, and before the first step: resident, or of the device where that is not the
  // host.
  double peak_mib = 0, rest_mib = 0;
};

Measured measure(Backend& backend, const BenchOptions& options);
nlohmann::ordered_json measured_json(const BenchOptions& options, const Measured& measured);

// What the first steps return.
std::vector<double> first_losses(Backend& backend, const BenchOptions& options, int count);

// The step of median time among the measured ones, kernel by kernel.
struct Profile {
  double seconds = 0;
  std::vector<KernelUse> uses;
};

// `timings`: those of `backend`, by time_kernels.
Profile profile_step(Backend& backend, Timings& timings, const BenchOptions& options);

}  // namespace duet::bench
