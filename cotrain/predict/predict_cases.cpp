#include "cotrain/predict/predict_cases.h"

#include <algorithm>
#include <exception>
#include <future>
#include <map>
#include <optional>

#include "cotrain/data/cases.h"
#include "cotrain/predict/case_files.h"
#include "cotrain/predict/origin.h"
#include "cotrain/predict/segment.h"
#include "cotrain/train/trainer.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "io/nifti/geometry.h"
#include "io/nifti/paths.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

enum class Stage { reading, segmenting, writing };

// A missing or bad image is the case's fault; what cannot be written, or memory that is not there, is not.
bool is_fault_of_case(const Error& error, Stage stage) {
  return error.code() == ExitCode::data || (error.code() == ExitCode::filesystem && stage == Stage::reading);
}

Segmentation segment_case(Backend& backend, const TrainedNetworks& trained, const PredictOptions& options,
                          const CaseImage& image) {
  WindowConfig windows = window_config(trained.config);
  windows.samples = options.uncertainty || options.pictures ? trained.config.inference.samples : 0;
  windows.largest_component = windows.largest_component || options.largest_component;
  return segment_volume(backend, trained.networks, image.values, image.frame, windows, options.probabilities,
                        image.blocks);
}

// Goes through the cases in order. While one is segmented, the next image is read and the results before are
// written on threads of their own; faults of both count at their case's own turn.
class CaseRun {
 public:
  CaseRun(Backend& backend, const TrainedNetworks& trained, const PredictOptions& options,
          std::vector<fs::path> files)
      : backend_(backend),
        trained_(trained),
        options_(options),
        files_(std::move(files)),
        origins_(trained, options) {
    for (const fs::path& file : files_) outputs_.push_back(case_outputs(options, case_id(file)));
    faults_.resize(files_.size());
    refuse_clashes();
    for (std::size_t i = 0; i < files_.size(); ++i) done_.push_back(is_done(i));
  }

  ~CaseRun() {
    try {
      finish_writing();  // what ends the run ends it here, noted as written
    } catch (...) {      // it ended for an earlier reason
    }
  }
  CaseRun(const CaseRun&) = delete;
  CaseRun& operator=(const CaseRun&) = delete;

  void predict(std::size_t i) {
    if (done_[i]) {
      ++report_.skipped;
      return;
    }
    CaseImage image;
    Segmentation found;
    std::exception_ptr failure;
    Stage stage = Stage::reading;
    try {
      image = take_image(i);
      warn_about_spacing(i, image);
      stage = Stage::segmenting;
      read_ahead(i + 1);
      found = segment_case(backend_, trained_, options_, image);
    } catch (...) {
      failure = std::current_exception();
    }
    finish_writing();  // a failure of the case before comes first
    if (failure) return note(i, failure, stage);
    origins_.begin(case_id(files_[i]), files_[i], paths_of(outputs_[i]));
    writing_ = {
        i, std::async(std::launch::async, [outputs = outputs_[i], image = std::move(image),
                                           found = std::move(found)] { write_case(outputs, image, found); })};
  }

  PredictReport finish() {
    finish_writing();
    for (const std::string& fault : faults_) {
      if (!fault.empty()) report_.failures.push_back(fault);
    }
    return report_;
  }

 private:
  template <class T>
  struct Task {
    std::size_t index = 0;
    std::future<T> result;
  };

  // No file is written that is an image to read, or twice.
  void refuse_clashes() const {
    std::map<fs::path, std::string> owners;
    for (const fs::path& file : files_) {
      owners[fs::weakly_canonical(file)] = text("replace the input ", file.string());
    }
    for (std::size_t i = 0; i < files_.size(); ++i) {
      for (const fs::path& output : paths_of(outputs_[i])) {
        const auto [owner, fresh] = owners.emplace(
            fs::weakly_canonical(output),
            text("also be an output of case ", case_id(files_[i]), ", whose image is ", files_[i].string()));
        if (fresh) continue;
        throw Error(ExitCode::usage, text("case ", case_id(files_[i]), ": its output ", output.string(),
                                          " would ", owner->second, "; expected another --out or name"));
      }
    }
  }
  // Nothing that is there is replaced unless it is of the same origin, or to be overwritten.
  bool is_done(std::size_t i) const {
    std::optional<fs::path> first = first_there(i);
    if (options_.overwrite || !first) return false;
    const std::string id = case_id(files_[i]);
    std::string other;
    try {
      other = origins_.difference(id, files_[i]);
    } catch (const Error&) {  // an image that cannot be read, which is the case's fault in its turn
      return false;
    }
    const std::vector<fs::path> outputs = paths_of(outputs_[i]);
    const auto left = std::ranges::find_if(
        outputs, [&](const fs::path& output) { return fs::exists(output) && !origins_.covers(id, output); });
    if (other.empty() && left != outputs.end()) {  // of a call before, which wrote others of the case's files
      first = *left;
      other = "of unknown origin";
    }
    if (!other.empty()) {
      throw Error(ExitCode::usage,
                  text(first->string(), ": is there, ", other, " by ", origins_.file().filename().string(),
                       "; expected another --out, or --overwrite"));
    }
    return std::ranges::all_of(outputs, [](const fs::path& output) { return fs::exists(output); });
  }
  // Of the case's outputs.
  std::optional<fs::path> first_there(std::size_t i) const {
    for (const fs::path& output : paths_of(outputs_[i])) {
      if (fs::exists(output)) return output;
    }
    return std::nullopt;
  }

  void read_ahead(std::size_t i) {
    while (i < files_.size() && done_[i]) ++i;
    if (i == files_.size()) return;
    reading_ = {i, std::async(std::launch::async, read_case_image, files_[i], trained_.config.data,
                              options_.pictures)};
  }

  CaseImage take_image(std::size_t i) {
    if (reading_.result.valid() && reading_.index == i) return reading_.result.get();
    return read_case_image(files_[i], trained_.config.data, options_.pictures);
  }

  // Images are not resampled, so an object of another size in voxels comes to the networks.
  void warn_about_spacing(std::size_t i, const CaseImage& image) {
    if (!trained_.spacing) return;
    std::array<double, 3> spacing = spacing_mm(image.geometry);
    for (std::size_t axis = 0; axis < 3; ++axis)
      spacing[axis] *= static_cast<double>(image.blocks.block[axis]);
    const std::array<double, 3>& usual = *trained_.spacing;
    if (!far_from(spacing, usual)) return;
    report_.warnings.push_back(text(files_[i].string(), ": its spacing (D,H,W), ", spacing[0], "x",
                                    spacing[1], "x", spacing[2], " mm as networks see it, is far from the ",
                                    usual[0], "x", usual[1], "x", usual[2], " mm that they learnt from"));
  }

  void finish_writing() {
    if (!writing_.result.valid()) return;
    try {
      writing_.result.get();
      origins_.end(case_id(files_[writing_.index]));
      ++report_.done;
    } catch (...) {
      note(writing_.index, std::current_exception(), Stage::writing);
    }
  }

  // Rethrows what is not the case's fault.
  void note(std::size_t i, const std::exception_ptr& failure, Stage stage) {
    try {
      std::rethrow_exception(failure);
    } catch (const Error& error) {
      if (!is_fault_of_case(error, stage)) throw;
      faults_[i] = error.what();
    }
  }

  Backend& backend_;
  const TrainedNetworks& trained_;
  const PredictOptions& options_;
  std::vector<fs::path> files_;
  Origins origins_;
  std::vector<CaseOutputs> outputs_;
  std::vector<bool> done_;
  std::vector<std::string> faults_;  // of each case; empty: none
  PredictReport report_;
  Task<CaseImage> reading_;
  Task<void> writing_;
};

}  // namespace

std::vector<fs::path> list_images(const fs::path& input) {
  if (!fs::exists(input)) {
    throw Error(ExitCode::filesystem, text(input.string(), ": expected an image or a folder, found nothing"));
  }
  if (!fs::is_directory(input)) return {input};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(input)) {
    const std::string extension = nifti::name_parts(entry.path()).extension;
    const bool hidden = entry.path().filename().string().starts_with(".");
    if ((extension == ".nii" || extension == ".hdr") && !hidden) files.push_back(entry.path());
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
  CaseRun run(backend, trained, options, files);
  for (std::size_t i = 0; i < files.size(); ++i) {
    progress(static_cast<Index>(i), static_cast<Index>(files.size()), case_id(files[i]));
    run.predict(i);
  }
  return run.finish();
}

}  // namespace duet
