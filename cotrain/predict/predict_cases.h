// Files in, files out: segmentations of new images with the networks of a run. Called by `duet predict`.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cotrain/predict/sliding_window.h"
#include "cotrain/predict/trained.h"

namespace duet {

struct PredictOptions {
  std::filesystem::path input;   // an image, or a folder of images
  std::filesystem::path output;  // made where missing
  bool uncertainty = false;      // <case>_uncertainty.nii.gz, in [0, 1]
  bool probabilities = false;    // <case>_probabilities.nii.gz, 4D, one volume a class
  bool pictures = false;         // <case>.png
  bool largest_component = false;
  bool overwrite = false;  // otherwise a case whose outputs are all there is skipped
};

struct PredictReport {
  Index done = 0, skipped = 0;
  std::vector<std::string> failures;  // one line a case, naming it
  std::vector<std::string> warnings;  // of a voxel size that the networks do not know
};

// Images of a folder: .nii, .nii.gz, .hdr, sorted. Throws Error(filesystem) where there is none, Error(data)
// where two have one id.
std::vector<std::filesystem::path> list_images(const std::filesystem::path& input);

// What each case's results are made with is noted in predictions.jsonl beside them. Error(usage) before any
// work: where files are there that were made from another image, by other weights or settings or by something
// else, unless options.overwrite is set; where a file would be written twice, or over an image.
// Writes <case>.nii.gz with the image's own grid and geometry for each input, whatever data.shrink was. A bad
// case is reported and the rest goes on; a failure to write ends it: Error(filesystem). progress(done, total,
// case) is called before each case. While a case is segmented the next image is read and the results before
// it are written, on threads of their own; messages come in the cases' order all the same.
PredictReport predict_cases(Backend& backend, const TrainedNetworks& trained, const PredictOptions& options,
                            const std::function<void(Index, Index, const std::string&)>& progress);

}  // namespace duet
