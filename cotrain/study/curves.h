// Curves out of a run's metrics.csv, thinned to what a plot can show. Called by assess and reports.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cotrain/study/result.h"

namespace duet {

// "dice network 1", ..., "dice pair": mean over the classes, at each validation (predictors called as in
// RunResult); every other column of metrics.csv (but `seconds`) as means over at most 100 groups of
// iterations: "loss sup_1", "lane_cosine_1", ...; and the sum of `seconds`.
struct RunCurves {
  std::vector<Curve> curves;
  double seconds = 0;
  Index iterations = 0;
};

// Error(data) naming file and line where it is not a metrics.csv.
RunCurves read_curves(const std::filesystem::path& metrics);

}  // namespace duet
