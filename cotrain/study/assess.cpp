#include "cotrain/study/assess.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cotrain/data/cases.h"
#include "cotrain/predict/segment.h"
#include "cotrain/predict/trained.h"
#include "cotrain/study/curves.h"
#include "cotrain/study/picture.h"
#include "cotrain/train/run_folder.h"
#include "cotrain/train/trainer.h"
#include "engine/core/errors.h"
#include "io/files/files.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

// What the run was, whatever the machine that it ran on.
std::string config_of(const RunFolder& run) {
  auto json = nlohmann::ordered_json::parse(to_json(read_run_values(run.path)));
  json["data"].erase("dataset");
  return json.dump();
}

std::vector<std::string> predictor_names(std::size_t networks) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= networks; ++i) names.push_back(text("network ", i));
  if (networks > 1) names.push_back("pair");
  return names;
}

std::string digest(const SplitCase& of) {
  return of.image_sha256.substr(0, 16) + '-' + of.label_sha256.substr(0, 16);
}

CaseResult measure(const LoadedCase& from, const std::string& files, const Segmentation& segmentation,
                   const std::vector<std::uint8_t>& reference, int classes) {
  CaseResult result;
  result.id = from.id;
  result.files = files;
  const Spacing spacing = spacing_mm(from.geometry);
  std::vector<const std::vector<std::uint8_t>*> predictors;
  for (const auto& labels : segmentation.networks) predictors.push_back(&labels);
  predictors.push_back(&segmentation.labels);
  for (const auto* labels : predictors) {
    auto& row = result.metrics.emplace_back();
    for (int c = 1; c < classes; ++c) {
      row.push_back(
          evaluate_class(*labels, reference, from.frame.extent, spacing, static_cast<std::uint8_t>(c)));
    }
  }
  result.error_auc = error_detection_auc(segmentation.uncertainty, segmentation.labels, reference);
  for (const double share : kLeftOut) {
    auto& row = result.kept_dice.emplace_back();
    for (int c = 1; c < classes; ++c) {
      row.push_back(dice_without_uncertain(segmentation.uncertainty, segmentation.labels, reference,
                                           static_cast<std::uint8_t>(c), share));
    }
  }
  return result;
}

// Places in `cases` of the best, the median and the worst Dice of the last predictor.
std::vector<std::pair<std::string, std::size_t>> shown(const std::vector<CaseResult>& cases) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (const auto dice = mean_dice(cases[i], cases[i].metrics.size() - 1)) order.emplace_back(*dice, i);
  }
  if (order.empty()) return {};
  std::sort(order.begin(), order.end());
  return {{"best", order.back().second},
          {"median", order[order.size() / 2].second},
          {"worst", order.front().second}};
}

}  // namespace

std::string machine_text(const std::string& backend, const std::vector<std::string>& versions, int threads,
                         bool bf16) {
  std::string machine = backend;
  for (const std::string& version : versions) {
    const bool of_cpu = version.rfind("oneDNN", 0) == 0;
    if (backend == (of_cpu ? "onednn" : "cuda")) machine += ", " + version;
  }
  return text(machine, ", ", threads, threads == 1 ? " thread, " : " threads, ", bf16 ? "bf16" : "f32");
}

RunResult assess_run(Backend& backend, const fs::path& run, const AssessOptions& options) {
  const RunFolder folder{run};
  TrainedNetworks trained = load_trained(backend, run, options.checkpoint);
  if (!trained.checkpoint.filename().string().starts_with(options.checkpoint)) {
    throw Error(ExitCode::filesystem, text(run.string(), ": expected a checkpoint ", options.checkpoint,
                                           ", found none (data.validation is 0)"));
  }
  const Dataset dataset =
      read_dataset(options.dataset.empty() ? fs::path(trained.config.data.dataset) : options.dataset);
  const Split split = found_in(read_split(folder.split()), dataset);
  verify_split(split);
  const std::vector<SplitCase>& wanted = options.set == "report" ? split.report : split.validation;
  if (wanted.empty()) {
    throw Error(ExitCode::data, text(folder.split().string(), ": expected ", options.set,
                                     " cases, found none (data.", options.set, " is 0)"));
  }
  RunResult result;
  result.row = options.row;
  result.seed = trained.config.training.seed;
  result.method = trained.config.method.name;
  result.config = config_of(folder);
  result.set = options.set;
  result.checkpoint = options.checkpoint;
  result.classes = dataset.classes;
  result.predictors = predictor_names(trained.networks.size());
  RunCurves curves = read_curves(folder.metrics());
  result.iterations = curves.iterations;
  result.seconds = curves.seconds;
  result.curves = std::move(curves.curves);
  result.labelled = static_cast<Index>(split.labelled.size());
  const bool unlabelled = make_method(trained.config.method)->uses_unlabelled();
  result.unlabelled = unlabelled ? static_cast<Index>(split.unlabelled.size()) : 0;
  result.machine = options.machine;
  for (const auto& network : trained.networks) result.parameters += parameter_count(*network);

  WindowConfig windows = window_config(trained.config);
  windows.samples = trained.config.inference.samples;
  windows.each_network = trained.networks.size() > 1;
  windows.bf16 = options.bf16;
  const auto load = [&](const SplitCase& each) {
    return load_case(each, static_cast<int>(trained.classes), trained.config.data);
  };
  const auto segment = [&](const LoadedCase& from) {
    return segment_volume(backend, trained.networks, from.image, from.frame, windows, true);
  };
  for (const SplitCase& each : wanted) {
    options.progress(static_cast<Index>(result.cases.size()), static_cast<Index>(wanted.size()));
    const LoadedCase from = load(each);
    const Segmentation segmentation = segment(from);
    const std::vector<std::uint8_t> reference = crop(from.labels, from.frame);
    result.cases.push_back(
        measure(from, digest(each), segmentation, reference, static_cast<int>(result.classes.size())));
    add_voxels(result.calibration, segmentation.probabilities, reference);
  }
  if (options.pictures.empty()) return result;
  for (const auto& [kind, place] : shown(result.cases)) {  // segmented again: none is kept meanwhile
    const LoadedCase from = load(wanted[place]);
    const std::string file = options.prefix + kind + ".png";
    write_png(options.pictures / file, case_picture(from, crop(from.labels, from.frame), segment(from)));
    const double dice = mean_dice(result.cases[place], result.predictors.size() - 1).value_or(0.0);
    result.pictures.push_back({kind, from.id, dice, file});
  }
  return result;
}

}  // namespace duet
