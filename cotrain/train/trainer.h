// A whole training run: data loaded, steps, validation, checkpoints, metrics.csv; interrupted and resumed
// without a trace. Called by `duet train` and tests.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cotrain/data/cases.h"
#include "cotrain/train/checkpoint.h"
#include "cotrain/train/run_folder.h"
#include "cotrain/train/step.h"
#include "cotrain/train/validation.h"
#include "io/files/folder_lock.h"

namespace duet {

struct TrainingData {
  std::vector<std::string> classes;  // names, background first
  Split split;
  std::vector<LoadedCase> labelled, unlabelled, validation;
};

// What a run tells whoever started it.
struct TrainingEvents {
  std::function<void(const std::string& line)> message = [](const std::string&) {};
  std::function<void(Index iteration, const StepReport&, double seconds)> stepped =
      [](Index, const StepReport&, double) {};
  std::function<void(Index iteration, const ValidationScore&)> validated = [](Index, const ValidationScore&) {
  };
  std::function<bool()> should_stop = [] { return false; };  // asked after each step
  std::string advice = "--resume goes on";                   // in the message of an interrupted run
};

// Reads dataset.json, makes the split (or takes `recorded`, after checking the files' hashes) and loads the
// cases that the method uses. Messages: warnings about the set. Throws Error(data).
TrainingData load_training_data(const RunConfig& config, const Split* recorded, const TrainingEvents& events);

// What environment.json says of a run.
struct RunEnvironment {
  std::string backend;
  std::vector<std::string> versions;  // of libraries
  std::string precision;              // that its steps really run in
};

struct PreparedRun {
  RunFolder folder;
  TrainingData data;
  FolderLock lock;  // no other process trains into it meanwhile
};

// Makes the folder of a new run, or with `resume` opens it and takes the split recorded there; loads the data
// and writes environment.json, or notes a change of precision. Throws what create_run, open_run and
// load_training_data throw, and Error(filesystem) where another process trains into the folder.
PreparedRun prepare_run(const std::filesystem::path& path, const ConfigValues& values,
                        const RunConfig& config, bool resume, const RunEnvironment& environment,
                        const TrainingEvents& events);

// Starts, or with `resume` goes on from checkpoints/last. `values` is what `config` came from, written down
// at the start. warm_start: weights for network 1, 2, ... Throws Error(interrupted) after saving when asked
// to stop.
Progress train(Backend& backend, const ConfigValues& values, const RunConfig& config, const RunFolder& run,
               const TrainingData& data, bool resume, const std::vector<std::filesystem::path>& warm_start,
               const TrainingEvents& events);

// Windows as validation and prediction of this config use them.
WindowConfig window_config(const RunConfig& config);

// Columns of metrics.csv: iteration, seconds, terms, lambda, rate, lanes of each network, validation Dice.
std::vector<std::string> metric_columns(const Method& method, const std::vector<std::string>& classes);

}  // namespace duet
