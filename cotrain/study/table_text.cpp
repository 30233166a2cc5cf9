#include <cstdio>

#include "cotrain/metrics/csv.h"
#include "cotrain/report/html.h"
#include "cotrain/study/tables.h"

namespace duet {
namespace {

// A '|' would end the cell.
std::string markdown_cell(const std::string& from) {
  std::string cell;
  for (const char c : from) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string csv_number(const std::optional<double>& value) {
  if (!value) return {};
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", *value);
  return buffer;
}

}  // namespace

std::string as_markdown(const TextTable& table) {
  if (table.header.empty()) return "No run is finished yet.\n";
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& each : cells) text.append(" ").append(markdown_cell(each)).append(" |");
    return text + "\n";
  };
  std::string text = line(table.header) + "|";
  for (std::size_t i = 0; i < table.header.size(); ++i) text += "---|";
  text += "\n";
  for (const auto& row : table.rows) text += line(row);
  for (const std::string& note : table.notes) text.append("\n").append(note).append("\n");
  return text;
}

std::string as_html(const TextTable& table) {
  if (table.header.empty()) return "";
  const auto line = [](const std::vector<std::string>& cells, const std::string& tag) {
    std::string text = "<tr>";
    for (const std::string& each : cells) {
      text.append("<").append(tag).append(">").append(escaped(each)).append("</").append(tag).append(">");
    }
    return text + "</tr>\n";
  };
  std::string text = "<table>\n<thead>" + line(table.header, "th") + "</thead>\n<tbody>\n";
  for (const auto& row : table.rows) text += line(row, "td");
  text += "</tbody>\n</table>\n";
  for (const std::string& note : table.notes) text.append("<p>").append(escaped(note)).append("</p>\n");
  return text;
}

std::string results_csv(std::span<const RunResult> results) {
  std::string text = "row,seed,predictor,case,class,dice,jaccard,hd95,asd,assd,error_auc\n";
  for (const RunResult& run : results) {
    for (std::size_t k = 0; k < run.predictors.size(); ++k) {
      for (const CaseResult& each : run.cases) {
        for (std::size_t c = 0; c + 1 < run.classes.size(); ++c) {
          const ClassMetrics& m = each.metrics[k][c];
          text += csv_field(run.row);
          for (const std::string& field : {std::to_string(run.seed), run.predictors[k], csv_field(each.id),
                                           csv_field(run.classes[c + 1])}) {
            text.append(",").append(field);
          }
          const bool first = k + 1 == run.predictors.size() && c == 0;  // error_auc is one a case
          for (const auto& value :
               {m.dice, m.jaccard, m.hd95, m.asd, m.assd, first ? each.error_auc : std::nullopt}) {
            text.append(",").append(csv_number(value));
          }
          text += '\n';
        }
      }
    }
  }
  return text;
}

}  // namespace duet
