#include "cotrain/train/trainer.h"

#include <chrono>
#include <cmath>

#include "cotrain/data/feed.h"
#include "cotrain/train/metrics_log.h"
#include "cotrain/train/weights_file.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "nn/ema.h"

namespace duet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_finite(const TrainingState& state, Index iteration) {
  for (const auto& network : state.networks) {
    for (const ParameterPtr& parameter : network->parameters()) {
      for (double value : to_values(parameter->value)) {
        if (!std::isfinite(value)) {
          throw Error(ExitCode::numerical, text("iteration ", iteration, ": parameter ", parameter->name,
                                                " should be finite, found ", value));
        }
      }
    }
  }
}

std::vector<std::optional<double>> metric_row(Index iteration, double seconds, const StepReport& step,
                                              const ValidationScore* score, std::size_t columns) {
  std::vector<std::optional<double>> row{static_cast<double>(iteration), seconds};
  row.insert(row.end(), step.terms.begin(), step.terms.end());
  row.emplace_back(step.lambda);
  row.emplace_back(step.rate);
  const auto where = [](bool there, double value) { return there ? std::optional(value) : std::nullopt; };
  for (const LaneReport& lane : step.lanes) {
    const bool direction = lane.supervised_norm > 0 && lane.unsupervised_norm > 0;
    row.push_back(where(lane.measured && step.tasks.both() && direction, lane.cosine));
    row.push_back(where(lane.measured && step.tasks.supervised, lane.supervised_norm));
    row.push_back(where(lane.measured && step.tasks.unsupervised, lane.unsupervised_norm));
  }
  if (score) {
    for (const auto& predictor : score->dice) row.insert(row.end(), predictor.begin(), predictor.end());
  }
  row.resize(columns);  // no validation at this iteration: empty fields, as of a task left out
  return row;
}

void warm_start_from(Backend& backend, const std::vector<std::filesystem::path>& files, TrainingState& state,
                     const TrainingEvents& events) {
  if (files.size() > state.networks.size()) {
    throw Error(ExitCode::usage,
                text("--weights: expected at most ", state.networks.size(), " files, found ", files.size()));
  }
  for (std::size_t i = 0; i < files.size(); ++i) read_weights(files[i], *state.networks[i]);
  if (!files.empty() && files.size() < state.networks.size()) {
    events.message(text("warning: --weights has ", files.size(), " of ", state.networks.size(),
                        " networks' files; the others start from drawn weights"));
  }
  for (std::size_t i = 0; i < state.teachers.size(); ++i) {
    copy_state(backend, *state.networks[i], *state.teachers[i]);
  }
}

// Said where it is worth a second thread; the first batch is always waited for.
void report_waiting(double waiting, double seconds, Index threads, const TrainingEvents& events) {
  if (waiting < 1.0 || waiting < 0.05 * seconds) return;
  events.message(text("steps waited ", waiting, " of ", seconds,
                      " s for their input; training.loading_threads is ", threads));
}

}  // namespace

WindowConfig window_config(const RunConfig& config) {
  WindowConfig windows;
  windows.patch = config.data.patch;
  windows.overlap = config.inference.overlap;
  windows.stride = config.inference.stride;
  windows.kind = config.method.uncertainty;
  windows.seed = config.training.seed;
  windows.bf16 = config.training.bf16;
  windows.largest_component = config.inference.largest_component;
  return windows;
}

std::vector<std::string> metric_columns(const Method& method, const std::vector<std::string>& classes) {
  std::vector<std::string> columns{"iteration", "seconds"};
  for (const std::string& name : method.term_names()) columns.push_back(name);
  columns.insert(columns.end(), {"lambda", "learning_rate"});
  const Index networks = method.networks();
  if (method.uses_unlabelled()) {
    for (Index i = 1; i <= networks; ++i) {
      columns.push_back(text("lane_cosine_", i));
      columns.push_back(text("lane_norm_sup_", i));
      columns.push_back(text("lane_norm_uns_", i));
    }
  }
  for (Index i = 1; i <= networks + (networks > 1); ++i) {
    const std::string predictor = i > networks ? "pair" : text("net", i);
    for (std::size_t c = 1; c < classes.size(); ++c) columns.push_back(text("dice_", predictor, "_class", c));
  }
  return columns;
}

Progress train(Backend& backend, const ConfigValues& values, const RunConfig& config, const RunFolder& run,
               const TrainingData& data, bool resume, const std::vector<std::filesystem::path>& warm_start,
               const TrainingEvents& events) {
  const auto classes = static_cast<Index>(data.classes.size());
  TrainingState state = make_training_state(backend, config, classes);
  Progress progress;
  const auto shard_bytes = static_cast<std::size_t>(config.training.shard_mib) << 20;
  const std::filesystem::path checkpoint = find_checkpoint(run.last());
  if (resume && !checkpoint.empty()) {
    progress = read_checkpoint(checkpoint, state.networks, &state.optimisers, state.teachers);
    state.balance = progress.balance;
    events.message(text("resuming after iteration ", progress.iteration));
    if (!warm_start.empty()) events.message("--weights: not read, as the run has weights of its own");
  } else {
    if (resume) events.message("no checkpoint yet: starting from iteration 0");
    warm_start_from(backend, warm_start, state, events);
    // What a run killed before its first checkpoint resumes from: before there is a run to resume, which
    // would begin with other weights.
    if (!warm_start.empty()) {
      write_checkpoint(run.last(), state.networks, &state.optimisers, progress, shard_bytes, state.teachers);
    }
    write_split(run.split(), data.split);
  }
  write_file(run.config(),
             to_json(with_absolute_paths(values)) + "\n");  // of a run resumed: its data may have moved
  const std::vector<std::string> columns = metric_columns(*state.method, data.classes);
  MetricsLog log(run.metrics(), columns, progress.iteration);
  const WindowConfig windows = window_config(config);
  const Index last = config.training.iterations, threads = config.training.loading_threads;
  BatchLoader loader(
      batch_maker(backend, sampler_config(config, *state.method), data.labelled, data.unlabelled),
      progress.iteration, last, loader_config(threads));
  BatchFeed feed(backend, loader);
  double in_steps = 0;
  auto saved = Clock::now();

  while (progress.iteration < last) {
    const auto start = Clock::now();
    const Batch batch = feed.next();
    const StepReport report = run_step(backend, config, state, batch, progress.iteration);
    const Index done = ++progress.iteration;
    const double seconds = seconds_since(start);
    in_steps += seconds;
    events.stepped(done, report, seconds);

    std::optional<ValidationScore> score;
    if (!data.validation.empty() && (done % config.training.validate_every == 0 || done == last)) {
      score = validate(backend, state.networks, data.validation, static_cast<int>(classes), windows);
      events.validated(done, *score);
    }
    log.write(metric_row(done, seconds, report, score ? &*score : nullptr, columns.size()));
    const bool best = score && score->chosen > progress.best_dice;
    if (best) {
      progress.best_dice = score->chosen;
      progress.best_iteration = done;
    }
    const bool stop = events.should_stop() && done < last;
    const double limit = 60 * config.training.checkpoint_minutes;
    const bool old = limit > 0 && seconds_since(saved) >= limit;
    const bool save = stop || old || done == last || done % config.training.checkpoint_every == 0;
    if (best || save) {
      check_finite(state, done);
      log.sync();
      progress.balance = state.balance;
      if (best) write_checkpoint(run.best(), state.networks, nullptr, progress, shard_bytes);
      if (save) {
        saved = Clock::now();
        write_checkpoint(run.last(), state.networks, &state.optimisers, progress, shard_bytes,
                         state.teachers);
      }
    }
    if (stop) {
      throw Error(ExitCode::interrupted,
                  text(run.path.string(), ": interrupted after iteration ", done, "; ", events.advice));
    }
  }
  report_waiting(loader.seconds_waiting(), in_steps, threads, events);
  return progress;
}

}  // namespace duet
