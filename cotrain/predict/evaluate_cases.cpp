#include "cotrain/predict/evaluate_cases.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "cotrain/predict/predict_cases.h"
#include "engine/core/errors.h"
#include "io/dataset/dataset.h"
#include "io/nifti/image.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

std::map<std::string, fs::path> segmentations(const fs::path& folder) {
  std::map<std::string, fs::path> files;
  for (const fs::path& file : list_images(folder)) {
    const std::string id = case_id(file);
    if (!id.ends_with("_uncertainty") && !id.ends_with("_probabilities")) files[id] = file;
  }
  return files;
}

std::vector<std::uint8_t> read_labels(const Image& image, int classes) {
  require_single_channel(image);
  require_finite(image);
  return labels_of(image, classes);
}

constexpr int kMostClasses = 256;

// What cannot be read counts at its case's own turn.
int greatest_label(const std::map<std::string, fs::path>& files) {
  int greatest = 1;
  for (const auto& [id, file] : files) {
    try {
      const std::vector<std::uint8_t> labels = read_labels(read_image(file), kMostClasses);
      if (!labels.empty()) greatest = std::max<int>(greatest, std::ranges::max(labels));
    } catch (const Error&) {
    }
  }
  return greatest;
}

}  // namespace

EvaluationReport evaluate_cases(const fs::path& predictions, const fs::path& references, int classes,
                                const std::vector<std::string>& class_names, bool whole) {
  const auto predicted = segmentations(predictions), known = segmentations(references);
  if (whole) {
    classes = kMostClasses;
  } else if (classes <= 0) {  // a class that only predictions have counts, as all of it is wrong
    std::map<std::string, fs::path> references;
    for (const auto& [id, file] : predicted) {
      if (const auto found = known.find(id); found != known.end()) references.insert(*found);
    }
    classes = std::max(greatest_label(references), greatest_label(predicted)) + 1;
  }
  std::vector<std::uint8_t> indices(whole ? 1 : static_cast<std::size_t>(classes - 1));
  std::iota(indices.begin(), indices.end(), std::uint8_t{1});
  const auto labels = [&](const Image& image) {
    std::vector<std::uint8_t> read = read_labels(image, classes);
    if (whole) std::ranges::transform(read, read.begin(), [](std::uint8_t c) { return c > 0 ? 1 : 0; });
    return read;
  };

  EvaluationReport report;
  report.table.class_names = whole ? std::vector<std::string>{"background", "foreground"} : class_names;
  for (const auto& [id, file] : predicted) {
    try {
      const auto reference_file = known.find(id);
      if (reference_file == known.end()) {
        throw Error(ExitCode::data, text(file.string(), ": expected a reference of case ", id, " in ",
                                         references.string(), ", found none"));
      }
      const Image reference = read_image(reference_file->second), prediction = read_image(file);
      if (const auto difference = geometry_difference(prediction.geometry, reference.geometry)) {
        throw Error(ExitCode::data, text("case ", id, ": prediction ", file.string(), " and reference ",
                                         reference_file->second.string(), " differ: ", *difference));
      }
      add_case(report.table, id, labels(prediction), labels(reference), reference.size,
               spacing_mm(reference.geometry), indices);
    } catch (const Error& error) {
      report.failures.push_back(error.what());
    }
  }
  for (const auto& [id, file] : known) {
    if (!predicted.contains(id)) report.unmatched.push_back(id);
  }
  return report;
}

}  // namespace duet
