#include "cotrain/train/step.h"

#include <algorithm>
#include <cmath>

#include "engine/core/errors.h"

namespace duet {

TrainingState make_training_state(Backend& backend, const RunConfig& config, Index classes) {
  TrainingState state;
  state.method = make_method(config.method);
  const bool two_tasks = state.method->uses_unlabelled();
  for (NetworkConfig model : network_configs(config)) {
    model.classes = classes;
    const auto number = static_cast<std::uint32_t>(state.networks.size());
    state.networks.push_back(make_network(backend, model, config.training.seed, number));
    open_lanes(*state.networks.back(), two_tasks ? config.method.lanes : "none", 2);
    state.optimisers.emplace_back(backend, config.training.optimiser, state.networks.back()->parameters());
  }
  state.balance.resize(state.networks.size());
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

Batch part_of(const Batch& batch, const Tasks& tasks) {
  if (tasks.both()) return batch;
  const Index n = batch.image.shape().n, labelled = batch.labelled;
  const Index begin = tasks.supervised ? 0 : labelled, end = tasks.supervised ? labelled : n;
  Batch part;
  part.image = batch.image.samples(begin, end);
  part.valid = batch.valid.samples(begin, end);
  if (tasks.supervised) part.labels = batch.labels;
  part.labelled = tasks.supervised ? labelled : 0;
  part.case_ids.assign(batch.case_ids.begin() + begin, batch.case_ids.begin() + end);
  return part;
}

StepReport run_step(Backend& backend, const RunConfig& config, TrainingState& state, const Batch& whole,
                    Index iteration) {
  const bool two_tasks = state.method->uses_unlabelled();
  StepReport report;
  if (two_tasks) report.tasks = tasks_of(config.method, iteration, config.training.iterations);
  const Batch batch = part_of(whole, report.tasks);
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
                  state.teachers,
                  report.tasks,
                  report.tasks.supervised ? 0 : whole.labelled};
  const std::vector<NamedTerm> terms = state.method->terms(step);
  const std::vector<std::string> names = state.method->term_names();
  report.terms.resize(names.size());
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
    report.terms[static_cast<std::size_t>(std::ranges::find(names, each.name) - names.begin())] = value;
    losses.push_back(each.term);
  }

  BackwardOptions options;
  if (two_tasks) {
    const Index n = batch.image.shape().n;
    options.segments =
        report.tasks.both() ? std::vector<Index>{0, batch.labelled, n} : std::vector<Index>{0, n};
    for (const auto& network : state.networks) resize_lanes(*network, options.segments.size() - 1);
  }
  report.backward = backward(backend, losses, options);
  for (std::size_t i = 0; i < state.networks.size(); ++i) {
    if (two_tasks) {
      report.lanes.push_back(merge_lanes(backend, *state.networks[i], config.method, report.tasks,
                                         report.lambda, state.balance[i]));
    }
    state.optimisers[i].step(report.rate);
  }
  state.method->after_step(step);
  return report;
}

}  // namespace duet
