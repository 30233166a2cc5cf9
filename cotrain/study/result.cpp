#include "cotrain/study/result.h"

#include <algorithm>

#include "cotrain/metrics/summary.h"
#include "engine/core/errors.h"

namespace duet {
std::optional<double> mean_dice(const CaseResult& from, std::size_t predictor) {
  DUET_CHECK(predictor < from.metrics.size(), "mean_dice: predictor ", predictor, " of ",
             from.metrics.size());
  std::vector<std::optional<double>> classes;
  for (const ClassMetrics& each : from.metrics[predictor]) classes.push_back(each.dice);
  return summarize(classes).mean;
}

std::optional<double> mean_dice(const RunResult& run, std::size_t predictor) {
  std::vector<std::optional<double>> cases;
  for (const CaseResult& each : run.cases) cases.push_back(mean_dice(each, predictor));
  return summarize(cases).mean;
}

std::vector<std::vector<const RunResult*>> by_row(std::span<const RunResult> results) {
  std::vector<std::vector<const RunResult*>> rows;
  for (const RunResult& result : results) {
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const auto& known) { return known.front()->row == result.row; });
    if (row == rows.end()) row = rows.insert(row, std::vector<const RunResult*>{});
    row->push_back(&result);
  }
  return rows;
}

}  // namespace duet
