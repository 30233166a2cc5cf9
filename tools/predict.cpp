// `duet predict`: segmentations and uncertainty maps of new images with the networks of a run.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cotrain/predict/predict_cases.h"
#include "engine/core/errors.h"
#include "tools/command.h"
#include "tools/progress.h"

namespace duet {
namespace {

struct PredictFlags {
  DeviceFlags device;
  std::filesystem::path run;
  PredictOptions options;
  std::string checkpoint = "best", precision;
  int samples = 0;
  Index seed = -1;
  bool json = false;
};

int predict_command(PredictFlags& flags) {
  const auto backend = open_device(flags.device);
  TrainedNetworks trained = load_trained(*backend, flags.run, flags.checkpoint);
  if (flags.checkpoint == "best" && trained.checkpoint.filename().string().starts_with("last")) {
    std::fprintf(stderr, "%s: no best checkpoint, as nothing was validated; using the last one\n",
                 flags.run.c_str());
  }
  if (flags.samples > 0) trained.config.inference.samples = flags.samples;
  bool& bf16 = trained.config.training.bf16;
  bf16 = runs_in_bf16(*backend, flags.precision.empty() ? bf16 : flags.precision == "bf16");
  if (flags.seed >= 0) trained.config.training.seed = static_cast<std::uint64_t>(flags.seed);
  std::unique_ptr<ProgressBar> bar;
  const PredictReport report =
      predict_cases(*backend, trained, flags.options, [&](Index done, Index total, const std::string& id) {
        if (!bar) bar = std::make_unique<ProgressBar>(done, total);
        bar->show(done, id);
      });
  bar.reset();
  if (flags.json) {
    const nlohmann::ordered_json json = {{"done", report.done},
                                         {"skipped", report.skipped},
                                         {"failures", report.failures},
                                         {"warnings", report.warnings},
                                         {"checkpoint", trained.checkpoint.string()}};
    print_json_line(json);
  } else {
    std::cout << report.done << " segmented, " << report.skipped << " already there, "
              << report.failures.size() << " failed\n";
  }
  for (const std::string& line : report.warnings) std::fprintf(stderr, "warning: %s\n", line.c_str());
  for (const std::string& line : report.failures) std::fprintf(stderr, "duet: %s\n", line.c_str());
  return report.failures.empty() ? 0 : static_cast<int>(ExitCode::data);
}

}  // namespace

void add_predict(Program& program) {
  auto* command = program.app.add_subcommand("predict", "segment images with the networks of a run");
  auto flags = std::make_shared<PredictFlags>();
  command->add_option("--run", flags->run, "folder of the run")->required();
  command->add_option("--input", flags->options.input, "an image, or a folder of images")->required();
  command->add_option("--out", flags->options.output, "folder of the results, <case>.nii.gz")->required();
  command->add_flag("--uncertainty", flags->options.uncertainty, "write <case>_uncertainty.nii.gz");
  command->add_flag("--probabilities", flags->options.probabilities, "write <case>_probabilities.nii.gz");
  command->add_flag("--pictures", flags->options.pictures,
                    "write <case>.png: three planes and the uncertainty");
  command->add_flag("--largest-component", flags->options.largest_component,
                    "keep the largest piece of each class");
  command->add_flag(
      "--overwrite", flags->options.overwrite,
      "segment again what is there, and replace files that other weights, settings or hands made");
  command->add_option("--checkpoint", flags->checkpoint, "best or last")
      ->check(CLI::IsMember({"best", "last"}))
      ->capture_default_str();
  command->add_option("--samples", flags->samples, "Monte Carlo passes (default: the config's)")
      ->check(CLI::Range(1, 1000));
  command->add_option("--precision", flags->precision, "f32 or bf16 (default: the run's training.precision)")
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_option("--seed", flags->seed, "of the passes' masks (default: the run's)")
      ->check(CLI::Range(Index{0}, kMostSeed));
  command->add_flag("--json", flags->json, "print the result as JSON");
  add_device_flags(*command, flags->device);
  command->callback([&program, flags] { program.run = [flags] { return predict_command(*flags); }; });
}

}  // namespace duet
