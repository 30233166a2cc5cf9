#include "cotrain/study/result.h"

#include "engine/core/errors.h"

namespace duet {
namespace {

std::optional<double> mean_of_defined(const std::vector<std::optional<double>>& values) {
  double sum = 0;
  Index count = 0;
  for (const auto& value : values) {
    if (!value) continue;
    sum += *value;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace

std::optional<double> mean_dice(const CaseResult& from, std::size_t predictor) {
  DUET_CHECK(predictor < from.metrics.size(), "mean_dice: predictor ", predictor, " of ",
             from.metrics.size());
  std::vector<std::optional<double>> classes;
  for (const ClassMetrics& each : from.metrics[predictor]) classes.push_back(each.dice);
  return mean_of_defined(classes);
}

std::optional<double> mean_dice(const RunResult& run, std::size_t predictor) {
  std::vector<std::optional<double>> cases;
  for (const CaseResult& each : run.cases) cases.push_back(mean_dice(each, predictor));
  return mean_of_defined(cases);
}

}  // namespace duet
