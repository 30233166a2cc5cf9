#include <algorithm>
#include <cmath>

#include "cotrain/train/trainer.h"
#include "engine/core/errors.h"
#include "io/nifti/geometry.h"

namespace duet {
namespace {

void warn_about_geometry(const Split& split, bool reorient, const TrainingEvents& events) {
  std::vector<std::pair<std::string, Geometry>> geometries;
  for (const auto* list : {&split.labelled, &split.unlabelled, &split.validation}) {
    for (const SplitCase& each : *list) {
      const Geometry stored = read_header(each.image).geometry;
      geometries.emplace_back(each.id, reorient ? reoriented(stored, orientation_to_ras(stored)) : stored);
    }
  }
  for (const std::string& warning : geometry_warnings(geometries)) events.message("warning: " + warning);
}

// z-scored, all of it is 0.
void warn_about_constant_images(const TrainingData& data, const TrainingEvents& events) {
  for (const auto* list : {&data.labelled, &data.unlabelled, &data.validation}) {
    for (const LoadedCase& each : *list) {
      if (std::ranges::all_of(each.image, [](float v) { return v == 0; }))
        events.message(text("warning: case ", each.id, ": its image is of one value everywhere"));
    }
  }
}

// Patches that reach far beyond the images spend their steps on padding.
void warn_about_padding(const TrainingData& data, const Triple& patch, const TrainingEvents& events) {
  double inside = 0, cases = 0;
  for (const auto* list : {&data.labelled, &data.unlabelled}) {
    for (const LoadedCase& each : *list) {
      double share = 1;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const Index covered = std::min(each.frame.extent[axis], patch[axis]);
        share *= static_cast<double>(covered) / static_cast<double>(patch[axis]);
      }
      inside += share;
      ++cases;
    }
  }
  if (cases == 0 || inside >= 0.5 * cases) return;
  events.message(text("warning: data.patch ", patch[0], "x", patch[1], "x", patch[2],
                      " is larger than the images: ", std::lround(100 * (1 - inside / cases)),
                      " % of a patch is padding"));
}

}  // namespace

TrainingData load_training_data(const RunConfig& config, const Split* recorded,
                                const TrainingEvents& events) {
  const Dataset dataset = read_dataset(config.data.dataset);
  for (const std::string& warning : dataset.warnings) events.message("warning: " + warning);
  if (dataset.channels.size() > 1) {
    throw Error(ExitCode::data, text(config.data.dataset, ": expected one image channel (modality), found ",
                                     dataset.channels.size()));
  }
  TrainingData data;
  data.classes = dataset.classes;
  if (recorded) {
    data.split = found_in(*recorded, dataset);
    verify_split(data.split);
  } else {
    data.split = make_split(dataset, {config.training.seed, config.data.labelled, config.data.validation,
                                      config.data.report, config.data.split_seed});
    hash_split(data.split);
  }
  const bool unlabelled = make_method(config.method)->uses_unlabelled();
  if (unlabelled && data.split.unlabelled.empty()) {
    throw Error(ExitCode::data,
                text(config.data.dataset, ": method ", config.method.name,
                     " expects unlabelled cases, found none (data.labelled = N hides labels)"));
  }
  if (!unlabelled && !data.split.unlabelled.empty()) {
    events.message(text("note: method ", config.method.name, " leaves ", data.split.unlabelled.size(),
                        " unlabelled cases aside"));
  }
  warn_about_geometry(data.split, config.data.reorient, events);
  const int classes = static_cast<int>(data.classes.size());
  auto load = [&](const std::vector<SplitCase>& cases) { return load_cases(cases, classes, config.data); };
  data.labelled = load(data.split.labelled);
  data.validation = load(data.split.validation);
  if (unlabelled) data.unlabelled = load(data.split.unlabelled);
  warn_about_constant_images(data, events);
  warn_about_padding(data, config.data.patch, events);
  return data;
}

PreparedRun prepare_run(const std::filesystem::path& path, const ConfigValues& values,
                        const RunConfig& config, bool resume, const RunEnvironment& environment,
                        const TrainingEvents& events) {
  PreparedRun prepared{resume ? open_run(path, values) : create_run(path), {}, {}};
  prepared.lock = FolderLock(path);
  const RunFolder& run = prepared.folder;
  const bool has_split = resume && std::filesystem::exists(run.split());
  const Split recorded = has_split ? read_split(run.split()) : Split{};
  prepared.data = load_training_data(config, has_split ? &recorded : nullptr, events);
  if (resume) {
    note_precision(run, environment.precision);
  } else {
    std::vector<std::array<double, 3>> spacings;  // of the labelled cases, of which there is always one
    spacings.reserve(prepared.data.labelled.size());
    for (const LoadedCase& each : prepared.data.labelled) spacings.push_back(spacing_mm(each.geometry));
    write_environment(run, environment.backend, environment.versions, environment.precision,
                      median_spacing(spacings));
  }
  return prepared;
}

}  // namespace duet
