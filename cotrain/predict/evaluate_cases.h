// Compares a folder of segmentations with a folder of references. Called by `duet evaluate`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cotrain/metrics/summary.h"

namespace duet {

struct EvaluationReport {
  MetricsTable table;
  std::vector<std::string> failures;   // one line a case: unreadable, another shape or affine, no reference
  std::vector<std::string> unmatched;  // references that have no prediction: not part of the table
};

// Cases are the predictions (<case>.nii.gz and so on; files ending in _uncertainty or _probabilities are not
// segmentations) that have a reference of the same name; a prediction without a reference is a failure.
// classes: number of classes with the background; 0: the greatest label of references and predictions plus 1.
// whole: the foreground classes, however many, count as one, "foreground". Throws Error(filesystem) where a
// folder is missing or empty.
EvaluationReport evaluate_cases(const std::filesystem::path& predictions,
                                const std::filesystem::path& references, int classes,
                                const std::vector<std::string>& class_names, bool whole = false);

}  // namespace duet
