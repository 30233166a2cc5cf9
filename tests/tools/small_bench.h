// A step of `duet bench` that takes a moment.
#pragma once

#include "tools/bench/options.h"

namespace duet::testing {

inline bench::BenchOptions small_options(const std::string& mode) {
  bench::BenchOptions options;
  options.mode = mode;
  options.size = {32, 32, 32};
  options.width = 2;
  options.samples = 2;
  options.steps = 2;
  options.patch = {16, 32, 32};
  return options;
}

}  // namespace duet::testing
