// One step's networks and batch, for tests that hold a step against its definition.
#pragma once

#include <algorithm>
#include <cmath>

#include "tests/cotrain/small_run.h"

namespace duet::testing {

using Values = std::vector<double>;
constexpr std::size_t kClasses = 3;

struct SmallStep {
  std::unique_ptr<Backend> backend = make_default_backend();
  RunConfig config;
  TrainingState state;
  Batch batch;
  explicit SmallStep(RunConfig with) : config(std::move(with)) {
    state = make_training_state(*backend, config, kClasses);
    const TrainingData data = small_data(config);
    batch = make_batch(*backend, sampler_config(config, *state.method), data.labelled, data.unlabelled, 0);
  }
  // A joint step.
  Step step(std::uint32_t iteration = 0, double lambda = 0.5) const {
    return {*backend, state.networks, batch, 1, iteration, lambda, false, false, 1.0, state.teachers};
  }
  StepReport run(Index iteration) { return run_step(*backend, config, state, batch, iteration); }

  // What a step whose terms begin with `prefix` alone are stepped on does, lanes left out: the definition of
  // an alternating one, of a network without batch norm.
  void run_terms(std::uint32_t iteration, const std::string& prefix) {
    for (const auto& network : state.networks) open_lanes(*network, "none", 0);
    const double lambda = ramp(config.method, iteration, config.training.iterations);
    Step joint = step(iteration, lambda);
    joint.rise = ramp_share(config.method, iteration, config.training.iterations);
    std::vector<LossTerm> losses;
    for (const NamedTerm& each : state.method->terms(joint)) {
      if (each.name.rfind(prefix, 0) == 0) losses.push_back(each.term);
    }
    backward(*backend, losses);
    for (Optimiser& optimiser : state.optimisers)
      optimiser.step(rate_at(config.training.schedule, iteration));
    state.method->after_step(joint);
  }
};

inline Values values_of(const Network& network) {
  Values all;
  for (const NamedTensor& each : network.state()) {
    for (double value : to_values(each.value)) all.push_back(value);
  }
  return all;
}

// The greatest difference, relative where values are large.
inline double distance(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(a[i] - b[i]) / (1 + std::abs(b[i])));
  return worst;
}

inline Values softmax_of(const Tensor& logits) {
  Values p = to_values(logits);
  for (std::size_t v = 0; v < p.size(); v += kClasses) {
    double sum = 0;
    for (std::size_t c = 0; c < kClasses; ++c) sum += std::exp(p[v + c]);
    for (std::size_t c = 0; c < kClasses; ++c) p[v + c] = std::exp(p[v + c]) / sum;
  }
  return p;
}

inline double value_of(const NamedTerm& term) { return scalar_value(term.term.loss.value()); }

// A config as a file would give it, small enough to run.
inline ConfigValues small_values(const std::string& method) {
  ConfigValues values(run_schema());
  auto set = [&](const std::string& key, ConfigValue value) { values.assign(key, std::move(value), "test"); };
  set("data.dataset", std::string("unused"));
  set("data.patch", Triple{16, 16, 16});
  set("model.width", Index{2});
  set("model.depth", Index{3});
  set("method.name", method);
  set("method.samples", Index{2});
  set("training.iterations", Index{6});
  set("training.validate_every", Index{6});
  return values;
}

inline RunConfig typed(const ConfigValues& values) {
  ConfigErrors errors;
  RunConfig config = to_run_config(values, errors);
  errors.throw_if_any();
  return config;
}

inline std::vector<std::string> config_errors(const ConfigValues& values) {
  ConfigErrors errors;
  to_run_config(values, errors);
  return errors.lines();
}

}  // namespace duet::testing
