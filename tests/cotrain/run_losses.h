// What a short run on the small data comes to, by which backends are compared.
#pragma once

#include "tests/cotrain/small_run.h"
#include "tests/io/temporary_folder.h"

namespace duet::testing {

// The loss terms of each step and the last validation's Dice.
inline std::vector<double> losses_of_run(Backend& backend, const std::string& method, Index steps,
                                         Index loading_threads = 1) {
  ConfigValues values(run_schema());
  RunConfig config = small_config(method);
  config.method.fold = 3;
  config.method.cutmix = method == "supervised" ? 0.0 : 1.0;
  config.training.iterations = config.training.validate_every = config.training.checkpoint_every = steps;
  config.training.loading_threads = loading_threads;
  const TemporaryFolder folder;
  std::vector<double> numbers;
  TrainingEvents events;
  events.stepped = [&](Index, const StepReport& report, double) {
    for (const auto& term : report.terms) numbers.push_back(term.value());
  };
  events.validated = [&](Index, const ValidationScore& score) { numbers.push_back(score.chosen); };
  train(backend, values, config, create_run(folder / "run"), small_data(config), false, {}, events);
  return numbers;
}

}  // namespace duet::testing
