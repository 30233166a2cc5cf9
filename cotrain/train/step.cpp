#include "cotrain/train/step.h"

#include <cmath>

#include "engine/core/errors.h"

namespace duet {

TrainingState make_training_state(Backend& backend, const RunConfig& config, Index classes) {
  TrainingState state;
  state.method = make_method(config.method);
  NetworkConfig model = config.model;
  model.classes = classes;
  const bool two_tasks = state.method->uses_unlabelled();
  for (Index i = 0; i < state.method->networks(); ++i) {
    if (i == 1) model.initialisation = config.method.second_initialisation;
    state.networks.push_back(
        make_network(backend, model, config.training.seed, static_cast<std::uint32_t>(i)));
    open_lanes(*state.networks.back(), two_tasks ? config.method.lanes : "none", 2);
    state.optimisers.emplace_back(backend, config.training.optimiser, state.networks.back()->parameters());
  }
  for (Index i = 0; i < state.method->teachers(); ++i) {  // the same draw, so the same weights
    state.teachers.push_back(make_network(backend, state.networks[static_cast<std::size_t>(i)]->config(),
                                          config.training.seed, static_cast<std::uint32_t>(i)));
  }
  return state;
}

SamplerConfig sampler_config(const RunConfig& config, const Method& method) {
  return {config.data.patch, config.training.labelled_batch,
          method.uses_unlabelled() ? config.training.unlabelled_batch : 0, config.augment,
          config.training.seed};
}

StepReport run_step(Backend& backend, const RunConfig& config, TrainingState& state, const Batch& batch,
                    Index iteration) {
  StepReport report;
  report.lambda = ramp(config.method, iteration, config.training.iterations);
  report.rate = rate_at(config.training.schedule, iteration);
  const Step step{backend,
                  state.networks,
                  batch,
                  config.training.seed,
                  static_cast<std::uint32_t>(iteration),
                  report.lambda,
                  config.training.bf16,
                  config.training.recompute,
                  ramp_share(config.method, iteration, config.training.iterations),
                  state.teachers};
  const std::vector<NamedTerm> terms = state.method->terms(step);
  std::vector<LossTerm> losses;
  for (const NamedTerm& each : terms) {
    const double value = scalar_value(each.term.loss.value());
    if (!std::isfinite(value)) {
      std::string cases;
      for (const std::string& id : batch.case_ids) cases += (cases.empty() ? "" : ", ") + id;
      throw Error(ExitCode::numerical,
                  text("iteration ", iteration + 1, ": loss term ", each.name, " should be finite, found ",
                       value, "; cases of the batch: ", cases));
    }
    report.terms.push_back(value);
    losses.push_back(each.term);
  }

  BackwardOptions options;
  const Index n = batch.image.shape().n;
  if (state.method->uses_unlabelled()) options.segments = {0, batch.labelled, n};
  report.backward = backward(backend, losses, options);
  for (std::size_t i = 0; i < state.networks.size(); ++i) {
    if (state.method->uses_unlabelled()) report.lanes.push_back(merge_lanes(backend, *state.networks[i]));
    state.optimisers[i].step(report.rate);
  }
  state.method->after_step(step);
  return report;
}

}  // namespace duet
