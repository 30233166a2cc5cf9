#include "cotrain/metrics/summary.h"

#include <cmath>
#include <map>

namespace duet {

Statistic summarize(std::span<const std::optional<double>> values) {
  Statistic s;
  double sum = 0;
  for (const auto& value : values) {
    if (!value) {
      ++s.undefined;
      continue;
    }
    ++s.defined;
    sum += *value;
  }
  if (s.defined == 0) return s;
  const double mean = sum / static_cast<double>(s.defined);
  s.mean = mean;
  if (s.defined < 2) return s;
  double squares = 0;
  for (const auto& value : values) {
    if (value) squares += (*value - mean) * (*value - mean);
  }
  s.std = std::sqrt(squares / static_cast<double>(s.defined - 1));
  return s;
}

std::string MetricsTable::class_name(std::uint8_t class_index) const {
  if (class_index < class_names.size() && !class_names[class_index].empty()) return class_names[class_index];
  return std::to_string(class_index);
}

void add_case(MetricsTable& table, const std::string& case_id, std::span<const std::uint8_t> prediction,
              std::span<const std::uint8_t> reference, const Triple& size, const Spacing& spacing,
              std::span<const std::uint8_t> classes) {
  for (const std::uint8_t c : classes) {
    table.rows.push_back({case_id, c, evaluate_class(prediction, reference, size, spacing, c)});
  }
}

std::vector<ClassSummary> summarize(const MetricsTable& table) {
  std::map<std::uint8_t, std::vector<const ClassMetrics*>> by_class;
  for (const MetricRow& row : table.rows) by_class[row.class_index].push_back(&row.metrics);
  std::vector<ClassSummary> summaries;
  for (const auto& [class_index, metrics] : by_class) {
    const auto over = [&metrics = metrics](std::optional<double> ClassMetrics::*which) {
      std::vector<std::optional<double>> values;
      values.reserve(metrics.size());
      for (const ClassMetrics* m : metrics) values.push_back(m->*which);
      return summarize(values);
    };
    summaries.push_back({class_index, over(&ClassMetrics::dice), over(&ClassMetrics::jaccard),
                         over(&ClassMetrics::hd95), over(&ClassMetrics::asd), over(&ClassMetrics::assd)});
  }
  return summaries;
}

std::optional<double> mean_dice(const MetricsTable& table) {
  std::vector<std::optional<double>> means;
  for (const ClassSummary& s : summarize(table)) means.push_back(s.dice.mean);
  return summarize(means).mean;
}

}  // namespace duet
