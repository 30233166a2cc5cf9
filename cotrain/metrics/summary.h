// The table of an evaluation: one row a case and class, a summary a class, as aligned text, CSV and JSON.
// Called by `duet evaluate`, by validation and by studies. Values that are not defined are counted apart and
// never averaged.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cotrain/metrics/class_metrics.h"

namespace duet {

// Mean and sample standard deviation (divisor n - 1) of the defined values. No value: no mean; fewer than
// two: no deviation.
struct Statistic {
  Index defined = 0;
  Index undefined = 0;
  std::optional<double> mean, std;
};

Statistic summarize(std::span<const std::optional<double>> values);

// The metrics of one class in one case.
struct MetricRow {
  std::string case_id;
  std::uint8_t class_index = 0;
  ClassMetrics metrics;
};

// One class over all cases.
struct ClassSummary {
  std::uint8_t class_index = 0;
  Statistic dice, jaccard, hd95, asd, assd;
};

struct MetricsTable {
  std::vector<std::string>
      class_names;              // by class index; may be shorter, then a class is called by its index
  std::vector<MetricRow> rows;  // in the order evaluated

  std::string class_name(std::uint8_t class_index) const;
};

// Evaluates each class and appends a row for each.
void add_case(MetricsTable& table, const std::string& case_id, std::span<const std::uint8_t> prediction,
              std::span<const std::uint8_t> reference, const Triple& size, const Spacing& spacing,
              std::span<const std::uint8_t> classes);

// One entry for every class that has a row, by ascending class index.
std::vector<ClassSummary> summarize(const MetricsTable& table);

// Mean over classes of the classes' mean Dice; nothing when no class has a defined one.
std::optional<double> mean_dice(const MetricsTable& table);

// Aligned columns: cases, then "mean ± std" a class with the number of undefined values where there are any.
std::string table_text(const MetricsTable& table);

// Header and a line a row, "." decimals, RFC 4180 quoting; an undefined value is an empty field.
std::string table_csv(const MetricsTable& table);

// {"cases": [{"case", "class", "class_name", "dice", ...}], "summary": [{"class", "dice": {"mean", "std",
// "defined", "undefined"}, ...}], "mean_dice"}; an undefined value is null.
std::string table_json(const MetricsTable& table);

}  // namespace duet
