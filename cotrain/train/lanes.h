// Gradient lanes of the two tasks: which parameters keep one gradient a task, how the lanes become one
// gradient again, and what their directions say. Called by the trainer between backward and the optimisers.
#pragma once

#include <string>
#include <vector>

#include "cotrain/method/method.h"
#include "cotrain/train/merge.h"
#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

// The parameters that `lanes` names ("tail", "all", "none") get `count` empty lanes; the others none.
void open_lanes(const Network& network, const std::string& lanes, std::size_t count);

// A step of one task has one segment: the parameters with lanes keep `count` of them, memory included.
void resize_lanes(const Network& network, std::size_t count);

// Of the two tasks' gradients over all parameters with lanes, each taken as one vector, as backward left them
// (so with lambda, before any merge rule).
struct LaneReport {
  bool measured = false;  // false: no parameter has lanes
  double cosine = 0;      // 0 where a norm is 0
  double supervised_norm = 0, unsupervised_norm = 0;
};

// gradient = lane 0 + lane 1, each times what the rule `config.merge` gives (merge.h), for every parameter
// whose lanes have gradients; of a step of one task its only lane. `balance` moves with rule balance alone.
LaneReport merge_lanes(Backend& backend, const Network& network, const MethodConfig& config,
                       const Tasks& tasks, double lambda, LaneBalance& balance);

}  // namespace duet
