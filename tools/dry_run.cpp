#include "tools/dry_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <new>
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
double estimated_bytes(const RunConfig& config, Index classes, bool bf16) {
  Index batch = config.training.labelled_batch;
  if (make_method(config.method)->uses_unlabelled()) batch += config.training.unlabelled_batch;
  double bytes = 0;
  for (NetworkConfig model : network_configs(config)) {
    model.classes = classes;
    bytes += static_cast<double>(estimate_step_bytes(model, config.data.patch, batch, bf16));
  }
  return bytes;
}

// What is missing is named with what would take less.
[[noreturn]] void refuse_memory(const std::string& what, const RunConfig& config, Index classes) {
  const bool bf16 = config.training.bf16;
  const Triple& patch = config.data.patch;
  std::string message =
      text(what, "; a step of data.patch ", patch[0], 'x', patch[1], 'x', patch[2], " at model.width ",
           config.model.width, " is estimated to take ",
           std::round(mebibytes(estimated_bytes(config, classes, bf16))), " MiB in ", bf16 ? "bf16" : "f32");
  if (!bf16) {
    message += text(", with training.precision=bf16 ",
                    std::round(mebibytes(estimated_bytes(config, classes, true))), " MiB");
  }
  throw Error(ExitCode::device, message);
}

// Half as much again as there is, which no estimate is off by: refused before it is tried, as the system
// would end the program without a word.
void expect_memory(const Backend& backend, const RunConfig& config, Index classes) {
  const auto available = static_cast<double>(available_memory());
  if (!backend.memory->on_host() || available <= 0) return;
  if (estimated_bytes(config, classes, config.training.bf16) < 1.5 * available) return;
  refuse_memory(text("out of memory: found ", std::round(mebibytes(available)), " MiB"), config, classes);
}

double free_disk(const std::filesystem::path& out) {
  std::filesystem::path folder = std::filesystem::absolute(out);
  while (!std::filesystem::exists(folder) && folder.has_parent_path()) folder = folder.parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  return error ? -1 : static_cast<double>(space.available);
}

int timed_steps(Backend& backend, const RunConfig& config, const TrainingData& data,
                const std::filesystem::path& out, bool json) {
  const auto classes = static_cast<Index>(data.classes.size());
  TrainingState state = make_training_state(backend, config, classes);
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
    run_step(backend, config, state, batch, first + i);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  // The first one (of a kind) makes plans and waits for its batch.
  const double step = alternating ? (seconds[2] + seconds[3]) / 2 : std::min(seconds[1], seconds[2]);
  const double waited = std::max(waiting[1], waiting[2]);
  const double total = step * static_cast<double>(config.training.iterations);
  const bool on_host = backend.memory->on_host();
  const double host = peak_resident_bytes(),
               peak = on_host ? host : static_cast<double>(backend.memory->counters().peak_bytes),
               estimate = estimated_bytes(config, classes, config.training.bf16);
  const char* precision = config.training.bf16 ? "bf16" : "f32";
  if (json) {
    const nlohmann::ordered_json result = {
        {"seconds_a_step", step},
        {"seconds_waiting", waited},
        {"seconds_in_all", total},
        {"precision", precision},
        {"peak_mib", mebibytes(peak)},
        {"host_mib", mebibytes(host)},
        {"estimated_mib", mebibytes(estimate)},
        {"tensor_mib", mebibytes(static_cast<double>(backend.memory->counters().reserved_bytes))},
        {"disk_mib", mebibytes(disk)}};
    print_json_line(result);
  } else {
    std::cout << "a step        " << step << " s (waited for input: " << waited << " s)\n"
              << "in all        " << (total < 1 ? "under 1 s" : ProgressBar::clock_text(total)) << " for "
              << config.training.iterations << " iterations, validation left out\n"
              << "peak memory   " << mebibytes(peak) << " MiB in " << precision
              << (on_host ? " with all that the program holds"
                          : text(" on the GPU, ", mebibytes(host), " MiB of the host's"))
              << " (the step's tensors were estimated at " << mebibytes(estimate) << " MiB)\n"
              << "disk          " << mebibytes(disk) << " MiB\n";
  }
  return 0;
}

}  // namespace

int dry_run(Backend& backend, const RunConfig& config, const TrainingData& data,
            const std::filesystem::path& out, bool json) {
  const auto classes = static_cast<Index>(data.classes.size());
  expect_memory(backend, config, classes);
  try {
    return timed_steps(backend, config, data, out, json);
  } catch (const Error& error) {
    if (error.code() == ExitCode::device) refuse_memory(error.what(), config, classes);
    throw;
  } catch (const std::bad_alloc&) {
    refuse_memory("out of memory", config, classes);
  }
}

}  // namespace duet
