// Gradient lanes of the two tasks: which parameters keep one gradient a segment, how the lanes become one
// gradient again, and what their directions say. Called by the trainer between backward and the optimisers.
#pragma once

#include <string>
#include <vector>

#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

// The parameters that `lanes` names ("tail", "all", "none") get `count` empty lanes; the others none.
void open_lanes(const Network& network, const std::string& lanes, std::size_t count);

// Of the two tasks' gradients over all parameters with lanes, each taken as one vector.
struct LaneReport {
  double cosine = 0;  // 0 where a norm is 0
  double supervised_norm = 0, unsupervised_norm = 0;
};

// Merge rule `sum`: gradient = lane 0 + lane 1, for every parameter with two lanes that has a gradient.
LaneReport merge_lanes(Backend& backend, const Network& network);

}  // namespace duet
