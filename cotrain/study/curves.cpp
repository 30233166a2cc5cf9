#include "cotrain/study/curves.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "engine/core/errors.h"
#include "io/files/files.h"

namespace duet {
namespace {

constexpr std::size_t kGroups = 100;

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

struct Table {
  std::vector<std::string> names;
  std::vector<std::vector<double>> rows;  // NaN: an empty field
};

Table read_table(const std::filesystem::path& file) {
  std::istringstream in(read_file(file, std::size_t{1} << 30));
  std::string line;
  Table table;
  if (!std::getline(in, line) || line.rfind("iteration,seconds,", 0) != 0) {
    throw Error(ExitCode::data, text(file.string(), ":1: expected the columns iteration,seconds,..."));
  }
  table.names = fields_of(line);
  while (std::getline(in, line)) {
    std::vector<double>& row = table.rows.emplace_back();
    for (const std::string& field : fields_of(line)) {
      char* end = nullptr;
      row.push_back(field.empty() ? std::nan("") : std::strtod(field.c_str(), &end));
      if (!field.empty() && *end != '\0') {
        throw Error(ExitCode::data, text(file.string(), ":", table.rows.size() + 1,
                                         ": expected a number, found '", field, "'"));
      }
    }
    if (row.size() != table.names.size()) {
      throw Error(ExitCode::data, text(file.string(), ":", table.rows.size() + 1, ": expected ",
                                       table.names.size(), " fields, found ", row.size()));
    }
  }
  return table;
}

// "dice_net1_class2" -> "dice network 1"; empty for other columns.
std::string predictor_curve(const std::string& column) {
  if (column.rfind("dice_", 0) != 0) return "";
  const std::string who = column.substr(5, column.find("_class") - 5);
  return who.rfind("net", 0) == 0 ? "dice network " + who.substr(3) : "dice " + who;
}

// Means over runs of iterations; a group without a value has no point.
Curve grouped(const Table& table, std::size_t column, const std::string& name) {
  Curve curve{name, {}, {}};
  const std::size_t size = (table.rows.size() + kGroups - 1) / kGroups;
  for (std::size_t begin = 0; begin < table.rows.size(); begin += size) {
    const std::size_t end = std::min(begin + size, table.rows.size());
    double sum = 0, count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::isnan(table.rows[i][column])) continue;
      sum += table.rows[i][column];
      ++count;
    }
    if (count == 0) continue;
    curve.x.push_back(table.rows[end - 1][0]);
    curve.y.push_back(sum / count);
  }
  return curve;
}

Curve validated(const Table& table, const std::vector<std::size_t>& columns, const std::string& name) {
  Curve curve{name, {}, {}};
  for (const std::vector<double>& row : table.rows) {
    double sum = 0, count = 0;
    for (const std::size_t column : columns) {
      if (std::isnan(row[column])) continue;
      sum += row[column];
      ++count;
    }
    if (count == 0) continue;
    curve.x.push_back(row[0]);
    curve.y.push_back(sum / count);
  }
  return curve;
}

}  // namespace

RunCurves read_curves(const std::filesystem::path& metrics) {
  const Table table = read_table(metrics);
  RunCurves found;
  found.iterations = static_cast<Index>(table.rows.size());
  for (const auto& row : table.rows) found.seconds += std::isnan(row[1]) ? 0 : row[1];
  std::vector<std::pair<std::string, std::vector<std::size_t>>> predictors;
  for (std::size_t c = 2; c < table.names.size(); ++c) {
    const std::string predictor = predictor_curve(table.names[c]);
    if (!predictor.empty()) {
      if (predictors.empty() || predictors.back().first != predictor) predictors.push_back({predictor, {}});
      predictors.back().second.push_back(c);
      continue;
    }
    const std::string& name = table.names[c];
    const bool plain = name == "lambda" || name == "learning_rate" || name.rfind("lane_", 0) == 0;
    Curve curve = grouped(table, c, plain ? name : "loss " + name);
    if (!curve.x.empty()) found.curves.push_back(std::move(curve));
  }
  for (const auto& [name, columns] : predictors) {
    Curve curve = validated(table, columns, name);
    if (!curve.x.empty()) found.curves.push_back(std::move(curve));
  }
  return found;
}

}  // namespace duet
