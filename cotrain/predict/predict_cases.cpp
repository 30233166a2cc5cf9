#include "cotrain/predict/predict_cases.h"

#include <algorithm>
#include <map>

#include "cotrain/data/cases.h"
#include "cotrain/metrics/components.h"
#include "cotrain/predict/segment.h"
#include "cotrain/train/checkpoint.h"
#include "cotrain/train/run_folder.h"
#include "cotrain/train/trainer.h"
#include "cotrain/train/weights_file.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "io/nifti/write.h"
#include "io/pictures/overlay.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

struct Outputs {
  fs::path labels, uncertainty, probabilities, picture;  // empty: not wanted
  bool all_there() const {
    for (const fs::path* path : {&labels, &uncertainty, &probabilities, &picture}) {
      if (!path->empty() && !fs::exists(*path)) return false;
    }
    return true;
  }
};

Outputs outputs_of(const PredictOptions& options, const std::string& id) {
  const fs::path& out = options.output;
  Outputs files{out / (id + ".nii.gz"), {}, {}, {}};
  if (options.uncertainty) files.uncertainty = out / (id + "_uncertainty.nii.gz");
  if (options.probabilities) files.probabilities = out / (id + "_probabilities.nii.gz");
  if (options.pictures) files.picture = out / (id + ".png");
  return files;
}

// (voxels, C) -> [channel][voxel], as NIfTI stores volumes.
std::vector<float> channels_first(const std::vector<float>& values, Index channels) {
  std::vector<float> turned(values.size());
  const Index voxels = static_cast<Index>(values.size()) / channels;
  for (Index v = 0; v < voxels; ++v) {
    for (Index c = 0; c < channels; ++c) {
      turned[static_cast<std::size_t>(c * voxels + v)] = values[static_cast<std::size_t>(v * channels + c)];
    }
  }
  return turned;
}

void predict_one(Backend& backend, const TrainedNetworks& trained, const PredictOptions& options,
                 const fs::path& file, const Outputs& out) {
  const RunConfig& config = trained.config;
  Image image = read_normalised(file, config.data.reorient);
  const PadFrame frame = pad_frame(image.size, config.data.patch);
  WindowConfig windows = window_config(config);
  windows.samples = options.uncertainty || options.pictures ? config.inference.samples : 0;
  const VolumePrediction volume =
      predict_volume(backend, trained.networks, pad(image.data, frame), frame.size, windows);

  std::vector<std::uint8_t> labels = crop(argmax_classes(volume.mean, trained.classes), frame);
  if (options.largest_component || config.inference.largest_component) {
    largest_component(labels, image.size, static_cast<int>(trained.classes));
  }
  std::vector<float> uncertainty;
  if (windows.samples > 0) uncertainty = crop(volume.uncertainty, frame);
  if (!out.uncertainty.empty())
    write_image(out.uncertainty, image.geometry, std::span<const float>(uncertainty));
  if (!out.probabilities.empty()) {
    const std::vector<float> inside = crop(volume.mean, frame, trained.classes);
    write_image(out.probabilities, image.geometry,
                std::span<const float>(channels_first(inside, trained.classes)));
  }
  if (!out.picture.empty()) {
    write_png(out.picture, overlay_planes({image.size, image.spacing, image.data, labels, uncertainty, 1.0}));
  }
  write_image(out.labels, image.geometry,
              std::span<const std::uint8_t>(labels));  // last: it says that the case is done
}

}  // namespace

TrainedNetworks load_trained(Backend& backend, const fs::path& run, const std::string& which) {
  TrainedNetworks trained;
  trained.config = read_run_config(run);
  const RunFolder folder{run};
  if (which == "best") trained.checkpoint = find_checkpoint(folder.best());
  if (trained.checkpoint.empty()) trained.checkpoint = find_checkpoint(folder.last());
  if (trained.checkpoint.empty()) {
    throw Error(ExitCode::filesystem,
                text(run.string(), ": expected a checkpoint to predict with, found none"));
  }
  const fs::path first = trained.checkpoint / "network_1.safetensors";
  const SafetensorsFile weights = read_safetensors(first);
  const NamedArray* head = weights.find("head.weight");
  if (!head || head->shape.empty() || head->shape[0] < 2 || head->shape[0] > 256) {
    throw Error(ExitCode::data,
                text(first.string(), ": expected an array head.weight of 2 to 256 classes, found ",
                     head ? describe(*head) : "none"));
  }
  trained.classes = head->shape[0];
  trained.networks = make_training_state(backend, trained.config, trained.classes).networks;
  read_checkpoint(trained.checkpoint, trained.networks, nullptr);
  return trained;
}

std::vector<fs::path> list_images(const fs::path& input) {
  if (!fs::exists(input)) {
    throw Error(ExitCode::filesystem, text(input.string(), ": expected an image or a folder, found nothing"));
  }
  if (!fs::is_directory(input)) return {input};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(input)) {
    const std::string name = entry.path().filename().string();
    const bool image = name.ends_with(".nii") || name.ends_with(".nii.gz") || name.ends_with(".hdr") ||
                       name.ends_with(".hdr.gz");
    if (image && !name.starts_with(".")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    throw Error(ExitCode::filesystem,
                text(input.string(), ": expected .nii, .nii.gz or .hdr images, found none"));
  }
  std::map<std::string, fs::path> ids;
  for (const fs::path& file : files) {
    const auto [other, fresh] = ids.emplace(case_id(file), file);
    if (!fresh) {
      throw Error(ExitCode::data, text(input.string(), ": expected one image a case, found ",
                                       other->second.filename().string(), " and ", file.filename().string()));
    }
  }
  return files;
}

PredictReport predict_cases(Backend& backend, const TrainedNetworks& trained, const PredictOptions& options,
                            const std::function<void(Index, Index, const std::string&)>& progress) {
  const std::vector<fs::path> files = list_images(options.input);
  make_folder(options.output);
  PredictReport report;
  for (const fs::path& file : files) {
    const std::string id = case_id(file);
    const Outputs out = outputs_of(options, id);
    progress(report.done + report.skipped + static_cast<Index>(report.failures.size()),
             static_cast<Index>(files.size()), id);
    std::error_code ignored;
    if (fs::equivalent(out.labels, file, ignored)) {
      report.failures.push_back(
          text(file.string(), ": the output would replace the input; expected another --out"));
      continue;
    }
    if (!options.overwrite && out.all_there()) {
      ++report.skipped;
      continue;
    }
    try {
      predict_one(backend, trained, options, file, out);
      ++report.done;
    } catch (const Error& error) {
      // A missing or bad image is the case's fault; what cannot be written, or memory that is not there, is
      // not.
      const bool case_fault = error.code() == ExitCode::data ||
                              (error.code() == ExitCode::filesystem &&
                               std::string(error.what()).find(file.string()) != std::string::npos);
      if (!case_fault) throw;
      report.failures.push_back(error.what());
    }
  }
  return report;
}

}  // namespace duet
