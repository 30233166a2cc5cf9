#include "tools/dry_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "cotrain/data/feed.h"
#include "cotrain/data/loader.h"
#include "engine/core/errors.h"
#include "nn/check.h"
#include "tools/command.h"
#include "tools/progress.h"

namespace duet {
namespace {

double mebibytes(double bytes) { return bytes / (1 << 20); }

double peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

// Three checkpoints (last, the one being written, best) of networks and two optimiser tensors at most,
// teachers in the first two, and 300 bytes a log line.
double disk_bytes(const TrainingState& state, const RunConfig& config) {
  double parameters = 0;
  for (const auto& network : state.networks) parameters += static_cast<double>(parameter_count(*network));
  double taught = 0;
  for (const auto& teacher : state.teachers) taught += static_cast<double>(parameter_count(*teacher));
  const double moments = config.training.optimiser.name == "adamw" ? 2 : 1;
  return 4 * (parameters * (2 * (1 + moments) + 1) + 2 * taught) +
         300.0 * static_cast<double>(config.training.iterations);
}

// ESTIMATE of a step's tensors, all networks. Of a method without unlabelled cases the batch is the labelled.
double estimated_bytes(const TrainingState& state, const RunConfig& config, bool bf16) {
  Index batch = config.training.labelled_batch;
  if (state.method->uses_unlabelled()) batch += config.training.unlabelled_batch;
  double bytes = 0;
  for (const auto& network : state.networks)
    bytes += static_cast<double>(estimate_step_bytes(network->config(), config.data.patch, batch, bf16));
  return bytes;
}

// What is missing is named with what would take less.
[[noreturn]] void refuse_memory(const Error& error, const TrainingState& state, const RunConfig& config) {
  std::string estimate = text("; a step is estimated to take ",
                              std::round(mebibytes(estimated_bytes(state, config, config.training.bf16))),
                              " MiB in ", config.training.bf16 ? "bf16" : "f32");
  if (!config.training.bf16) {
    estimate += text(", with training.precision=bf16 ",
                     std::round(mebibytes(estimated_bytes(state, config, true))), " MiB");
  }
  throw Error(ExitCode::device, error.what() + estimate);
}

double free_disk(const std::filesystem::path& out) {
  std::filesystem::path folder = std::filesystem::absolute(out);
  while (!std::filesystem::exists(folder) && folder.has_parent_path()) folder = folder.parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  return error ? -1 : static_cast<double>(space.available);
}

}  // namespace

int dry_run(Backend& backend, const RunConfig& config, const TrainingData& data,
            const std::filesystem::path& out, bool json) {
  TrainingState state = make_training_state(backend, config, static_cast<Index>(data.classes.size()));
  const double disk = disk_bytes(state, config);
  if (!out.empty() && free_disk(out) >= 0 && free_disk(out) < disk) {
    throw Error(ExitCode::filesystem, text(out.string(), ": the run needs ", mebibytes(disk),
                                           " MiB of disk, found ", mebibytes(free_disk(out)), " MiB free"));
  }
  // Steps of after the warm-up, which takes less; of alternating ones two of a kind.
  const bool alternating = state.method->uses_unlabelled() && config.method.alternating;
  const Index steps = alternating ? 4 : 3;
  const Index iterations = config.training.iterations;
  const Index first =
      std::min(warm_up_iterations(config.method, iterations), std::max<Index>(0, iterations - steps));
  BatchLoader loader(
      batch_maker(backend, sampler_config(config, *state.method), data.labelled, data.unlabelled), 0, steps,
      loader_config(config.training.loading_threads));
  BatchFeed feed(backend, loader);
  std::vector<double> seconds, waiting;
  for (Index i = 0; i < steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const double before = loader.seconds_waiting();
    const Batch batch = feed.next();
    waiting.push_back(loader.seconds_waiting() - before);
    try {
      run_step(backend, config, state, batch, first + i);
    } catch (const Error& error) {
      if (error.code() == ExitCode::device) refuse_memory(error, state, config);
      throw;
    }
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  // The first one (of a kind) makes plans and waits for its batch.
  const double step = alternating ? (seconds[2] + seconds[3]) / 2 : std::min(seconds[1], seconds[2]);
  const double waited = std::max(waiting[1], waiting[2]);
  const double total = step * static_cast<double>(config.training.iterations);
  const double peak = peak_resident_bytes(), estimate = estimated_bytes(state, config, config.training.bf16);
  const char* precision = config.training.bf16 ? "bf16" : "f32";
  if (json) {
    const nlohmann::ordered_json result = {
        {"seconds_a_step", step},
        {"seconds_waiting", waited},
        {"seconds_in_all", total},
        {"precision", precision},
        {"peak_mib", mebibytes(peak)},
        {"estimated_mib", mebibytes(estimate)},
        {"tensor_mib", mebibytes(static_cast<double>(backend.memory->counters().reserved_bytes))},
        {"disk_mib", mebibytes(disk)}};
    print_json_line(result);
  } else {
    std::cout << "a step        " << step << " s (waited for input: " << waited << " s)\n"
              << "in all        " << (total < 1 ? "under 1 s" : ProgressBar::clock_text(total)) << " for "
              << config.training.iterations << " iterations, validation left out\n"
              << "peak memory   " << mebibytes(peak) << " MiB in " << precision
              << " with all that the program holds (the step's tensors were estimated at "
              << mebibytes(estimate) << " MiB)\n"
              << "disk          " << mebibytes(disk) << " MiB\n";
  }
  return 0;
}

}  // namespace duet
