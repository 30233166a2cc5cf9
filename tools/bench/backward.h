// What one backward over all loss terms saves: the step of `udct`, merged against a backward a term with the
// graph retained, as a framework does it. Called by `duet bench --backward` and tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/options.h"

namespace duet {
struct Backend;
}

namespace duet::bench {

struct BackwardCost {
  double seconds = 0;  // of the backward alone
  std::uint64_t nodes = 0, additions = 0;
  std::size_t peak_bytes = 0;  // greatest live memory in it
  std::size_t rest_bytes = 0;  // live before the forward: networks, and gradients of the step before
  std::size_t peak_over_rest() const { return peak_bytes - rest_bytes; }
};

struct BackwardComparison {
  bool coupled = false;  // with the term that reaches both networks
  BackwardCost merged, separate;
  // Greatest difference between the two ways' gradients, over the greatest gradient of the network. A
  // parameter is not its own yardstick: that of a bias before a norm is nothing but rounding.
  double gradient_difference = 0;
};

// Detached, then coupled. The step of median time among `options.steps`, after two to warm up; the ways
// alternate step by step on the same weights and masks. options.mode: cotrain.
std::vector<BackwardComparison> compare_backward(Backend& backend, const BenchOptions& options);

std::string backward_text(const std::vector<BackwardComparison>& found);
nlohmann::ordered_json backward_json(const std::vector<BackwardComparison>& found);

}  // namespace duet::bench
