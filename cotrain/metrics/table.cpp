// The three written forms of a MetricsTable.
#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cotrain/metrics/csv.h"
#include "cotrain/metrics/summary.h"
#include "engine/core/errors.h"

namespace duet {
namespace {

struct Column {
  const char* name;
  std::optional<double> ClassMetrics::*value;
  Statistic ClassSummary::*summary;
  int decimals;  // in the text table
};
constexpr std::array<Column, 5> kColumns = {{
    {"dice", &ClassMetrics::dice, &ClassSummary::dice, 4},
    {"jaccard", &ClassMetrics::jaccard, &ClassSummary::jaccard, 4},
    {"hd95", &ClassMetrics::hd95, &ClassSummary::hd95, 2},
    {"asd", &ClassMetrics::asd, &ClassSummary::asd, 2},
    {"assd", &ClassMetrics::assd, &ClassSummary::assd, 2},
}};

std::string number(const char* format, int precision, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, precision, value);
  return buffer.data();
}

std::string fixed(std::optional<double> value, int decimals) {
  return value ? number("%.*f", decimals, *value) : "-";
}

std::string exact(std::optional<double> value, const char* otherwise) {
  return value ? number("%.*g", 10, *value) : otherwise;
}

std::string mean_and_deviation(const Statistic& s, int decimals) {
  if (!s.mean) return "-";
  return s.std ? fixed(s.mean, decimals) + " ± " + fixed(s.std, decimals) : fixed(s.mean, decimals);
}

using Cells = std::vector<std::string>;

// Characters, not bytes, of UTF-8 text.
std::size_t width_of(const std::string& cell) {
  std::size_t width = 0;
  for (const char c : cell) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return width;
}

// Names stand left, numbers right.
std::string aligned(const std::vector<Cells>& lines, std::size_t left_columns) {
  std::vector<std::size_t> widths;
  for (const Cells& cells : lines) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
  }
  std::string out;
  for (const Cells& cells : lines) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - width_of(cells[i]), ' ');
      line += (i ? "  " : "") + (i < left_columns ? cells[i] + pad : pad + cells[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

// Names of files need not be UTF-8; what is not becomes U+FFFD.
std::string json_string(const std::string& value) {
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string table_text(const MetricsTable& table) {
  std::vector<Cells> cases = {{"case", "class"}}, classes = {{"class", "cases"}};
  for (const Column& column : kColumns) {
    const bool distance = column.decimals == 2;
    cases[0].push_back(std::string(column.name) + (distance ? " mm" : ""));
    classes[0].push_back(std::string(column.name) + (distance ? " mm" : ""));
  }
  classes[0].emplace_back("not defined");
  for (const MetricRow& row : table.rows) {
    Cells cells = {row.case_id, table.class_name(row.class_index)};
    for (const Column& column : kColumns) cells.push_back(fixed(row.metrics.*column.value, column.decimals));
    cases.push_back(cells);
  }
  for (const ClassSummary& s : summarize(table)) {
    Cells cells = {table.class_name(s.class_index), std::to_string(s.dice.defined + s.dice.undefined)};
    std::string missing;
    for (const Column& column : kColumns) {
      const Statistic& statistic = s.*column.summary;
      cells.push_back(mean_and_deviation(statistic, column.decimals));
      if (statistic.undefined)
        missing += text(missing.empty() ? "" : ", ", column.name, " ", statistic.undefined);
    }
    cells.push_back(missing.empty() ? "none" : missing);
    classes.push_back(cells);
  }
  std::string out = aligned(cases, 2) + "\n" + aligned(classes, 1);
  if (const auto dice = mean_dice(table)) out += "mean Dice over the classes: " + fixed(dice, 4) + "\n";
  return out;
}

std::string table_csv(const MetricsTable& table) {
  std::string out = "case,class,class_name";
  for (const Column& column : kColumns) out += text(",", column.name);
  out += ",prediction_voxels,reference_voxels,common_voxels\n";
  for (const MetricRow& row : table.rows) {
    const ClassMetrics& m = row.metrics;
    out += text(csv_field(row.case_id), ",", int{row.class_index}, ",",
                csv_field(table.class_name(row.class_index)));
    for (const Column& column : kColumns) out += text(",", exact(m.*column.value, ""));
    out += text(",", m.prediction_voxels, ",", m.reference_voxels, ",", m.common_voxels, "\n");
  }
  return out;
}

std::string table_json(const MetricsTable& table) {
  std::string cases, classes;
  for (const MetricRow& row : table.rows) {
    const ClassMetrics& m = row.metrics;
    cases += text(cases.empty() ? "" : ",", "\n    {\"case\": ", json_string(row.case_id),
                  ", \"class\": ", int{row.class_index},
                  ", \"class_name\": ", json_string(table.class_name(row.class_index)));
    for (const Column& column : kColumns)
      cases += text(", \"", column.name, "\": ", exact(m.*column.value, "null"));
    cases +=
        text(", \"prediction_voxels\": ", m.prediction_voxels, ", \"reference_voxels\": ", m.reference_voxels,
             ", \"common_voxels\": ", m.common_voxels, "}");
  }
  for (const ClassSummary& s : summarize(table)) {
    classes += text(classes.empty() ? "" : ",", "\n    {\"class\": ", int{s.class_index},
                    ", \"class_name\": ", json_string(table.class_name(s.class_index)));
    for (const Column& column : kColumns) {
      const Statistic& statistic = s.*column.summary;
      classes += text(", \"", column.name, "\": {\"mean\": ", exact(statistic.mean, "null"),
                      ", \"std\": ", exact(statistic.std, "null"), ", \"defined\": ", statistic.defined,
                      ", \"undefined\": ", statistic.undefined, "}");
    }
    classes += "}";
  }
  return text("{\n  \"cases\": [", cases, "\n  ],\n  \"summary\": [", classes,
              "\n  ],\n  \"mean_dice\": ", exact(mean_dice(table), "null"), "\n}\n");
}

}  // namespace duet
