// One training step, the same for every method: loss terms, one joint backward, lanes merged, one optimiser
// step a network, then the teachers. Called by the trainer, the dry run, tests and benchmarks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cotrain/method/method.h"
#include "cotrain/train/lanes.h"
#include "nn/optimiser.h"

namespace duet {

// What training changes: networks and optimisers, and the method that drives them.
struct TrainingState {
  std::unique_ptr<Method> method;
  std::vector<std::unique_ptr<Network>> networks;
  std::vector<std::unique_ptr<Network>> teachers;  // see Method::teachers
  std::vector<Optimiser> optimisers;
  std::vector<LaneBalance> balance;  // of each network; at rest but with merge rule `balance`
};

// Networks drawn from the config's seed, teachers their equals, optimisers at rest, lanes opened.
TrainingState make_training_state(Backend& backend, const RunConfig& config, Index classes);

struct StepReport {
  // Unweighted values, in the order of Method::term_names(); none for a task that the step leaves out.
  std::vector<std::optional<double>> terms;
  std::vector<LaneReport> lanes;  // of each network; empty where the method has one task
  Tasks tasks;
  BackwardStats backward;
  double lambda = 0, rate = 0;
};

// The samples of these tasks alone, sharing memory.
Batch part_of(const Batch& batch, const Tasks& tasks);

// Step number `iteration` (from 0), of a whole batch; what the iteration does not learn is not computed.
// Throws Error(numerical), before anything is changed, where a loss is not finite: names iteration, term and
// cases.
StepReport run_step(Backend& backend, const RunConfig& config, TrainingState& state, const Batch& batch,
                    Index iteration);

// The sampler's settings for this config and method.
SamplerConfig sampler_config(const RunConfig& config, const Method& method);

}  // namespace duet
