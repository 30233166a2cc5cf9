// `duet train`: trains networks as a config says; resumes; --dry-run says what a run would take.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cotrain/train/trainer.h"
#include "engine/backend/table.h"
#include "engine/core/errors.h"
#include "io/weights/shards.h"
#include "tools/command.h"
#include "tools/dice_text.h"
#include "tools/dry_run.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace duet {
namespace {

struct TrainFlags {
  ConfigFlags config;
  DeviceFlags device;
  std::filesystem::path out;
  std::vector<std::filesystem::path> weights;
  Index seed = -1;
  bool resume = false, dry_run = false, json = false;
};

TrainingEvents events_of(ProgressBar& bar) {
  TrainingEvents events;
  events.message = [&bar](const std::string& line) {
    bar.clear();
    std::fprintf(stderr, "%s\n", line.c_str());
  };
  events.stepped = [&bar](Index done, const StepReport& step, double) {
    double total = 0;
    for (const auto& term : step.terms) total += term.value_or(0);
    bar.show(done, text("loss ", total));
  };
  events.validated = [&bar](Index done, const ValidationScore& score) {
    bar.clear();
    std::fprintf(stderr, "iteration %lld  validation Dice: %s\n", static_cast<long long>(done),
                 dice_text(score).c_str());
  };
  events.should_stop = interrupted;
  return events;
}

void print_result(const TrainFlags& flags, const RunFolder& run, const Progress& progress) {
  if (flags.json) {
    nlohmann::ordered_json json = {{"run", run.path.string()},
                                   {"iterations", progress.iteration},
                                   {"best_dice", nullptr},
                                   {"best_iteration", progress.best_iteration}};
    if (progress.best_dice >= 0) json["best_dice"] = progress.best_dice;
    print_json_line(json);
  } else {
    std::cout << run.path.string() << ": " << progress.iteration << " iterations";
    if (progress.best_dice >= 0) {
      std::cout << ", best validation Dice " << progress.best_dice << " at iteration "
                << progress.best_iteration;
    }
    std::cout << '\n';
  }
}

int train_command(const TrainFlags& flags) {
  outlive_readers();
  ConfigErrors errors;
  std::vector<std::string> sets = flags.config.sets;
  if (flags.seed >= 0) sets.push_back(text("training.seed=", flags.seed));
  std::filesystem::path file = flags.config.file;
  if (file.empty() && !flags.resume) throw Error(ExitCode::usage, "--config: expected a file, found none");
  if (flags.out.empty() && (file.empty() || !flags.dry_run)) {
    throw Error(ExitCode::usage, "--out: expected the folder of the run, found none");
  }
  if (file.empty()) {
    file = RunFolder{flags.out}.config();  // a run to resume knows its own
    if (!std::filesystem::exists(file)) open_run(flags.out, ConfigValues(run_schema()));  // says so
  }
  for (const std::filesystem::path& each : flags.weights) {
    if (flags.resume || shards_exist(each)) continue;  // a run that goes on has weights of its own
    throw Error(ExitCode::filesystem, text("--weights ", each.string(), ": expected a file, found none"));
  }
  const ConfigValues values = read_config(file, sets, run_schema(), errors);
  RunConfig config = to_run_config(values, errors);
  errors.throw_if_any();
  const auto backend = open_device(flags.device);
  config.training.bf16 = runs_in_bf16(*backend, config.training.bf16);
  const std::string precision = config.training.bf16 ? "bf16" : "f32";
  ProgressBar bar(0, config.training.iterations);
  const TrainingEvents events = events_of(bar);
  if (flags.dry_run) {
    const TrainingData data = load_training_data(config, nullptr, events);
    return dry_run(*backend, config, data, flags.out, flags.json);
  }

  catch_interrupts();  // while cases are read, too: the first step is made, and saved
  const PreparedRun prepared = prepare_run(flags.out, values, config, flags.resume,
                                           {backend->name, vendor_versions(), precision}, events);
  const Progress progress =
      train(*backend, values, config, prepared.folder, prepared.data, flags.resume, flags.weights, events);
  bar.clear();
  print_result(flags, prepared.folder, progress);
  return 0;
}

}  // namespace

void add_train(Program& program) {
  auto* command = program.app.add_subcommand("train", "train networks as a config says");
  auto flags = std::make_shared<TrainFlags>();
  add_config_flags(*command, flags->config);
  add_device_flags(*command, flags->device);
  command->add_option("--out", flags->out, "folder of the run");
  command
      ->add_option(
          "--weights", flags->weights,
          "start from these weights (safetensors): the first file for network 1, the second for network 2")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--seed", flags->seed, "sets training.seed")->check(CLI::Range(Index{0}, kMostSeed));
  command->add_flag("--resume", flags->resume,
                    "go on with the interrupted run in --out; without --config by the config it has");
  command->add_flag("--dry-run", flags->dry_run,
                    "three steps: time, memory and disk that the run would take");
  command->add_flag("--json", flags->json, "print the result as JSON");
  command->callback([&program, flags] { program.run = [flags] { return train_command(*flags); }; });
}

}  // namespace duet
