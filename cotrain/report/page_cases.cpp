// The sections of single cases: Dice of every predictor as tables, and cases as pictures.
#include <algorithm>

#include "cotrain/report/html.h"
#include "cotrain/report/page_rows.h"
#include "engine/core/errors.h"

namespace duet {
namespace fs = std::filesystem;
namespace {

std::string dice_cell(const std::optional<double>& dice) {
  return "<td>" + (dice ? fixed_number(*dice, 3) : "-") + "</td>";
}

std::optional<double> class_dice(const RunResult& run, std::size_t predictor, std::size_t index) {
  std::vector<std::optional<double>> values;
  for (const CaseResult& from : run.cases) {
    const bool there = predictor < from.metrics.size() && index < from.metrics[predictor].size();
    values.push_back(there ? from.metrics[predictor][index].dice : std::nullopt);
  }
  return mean_of(values);
}

std::string duration(double seconds) {
  if (seconds < 90) return short_number(seconds, 2) + " s";
  return seconds < 5400 ? short_number(seconds / 60, 2) + " min" : fixed_number(seconds / 3600, 1) + " h";
}

// What the runs of a table were, in a line. They differ in their seed; time is their mean, memory the most.
std::string facts(const std::vector<const RunResult*>& runs) {
  const RunResult& run = *runs.front();
  std::vector<std::optional<double>> seconds;
  std::optional<double> peak;
  for (const RunResult* seed : runs) {
    seconds.emplace_back(seed->seconds);
    if (seed->peak_mib) peak = std::max(peak.value_or(0), *seed->peak_mib);
  }
  const auto count = [](Index value) { return std::to_string(value); };
  std::string line = escaped(run.method) + ", " + count(run.iterations) + " iterations on " +
                     count(run.labelled) + " labelled and " + count(run.unlabelled) + " unlabelled cases";
  if (run.parameters > 0)
    line += ", " + short_number(static_cast<double>(run.parameters) / 1e6, 3) + " M parameters";
  if (const auto mean = mean_of(seconds); mean && *mean > 0) line += ", " + duration(*mean);
  if (peak) line += ", " + fixed_number(*peak, 0) + " MiB";
  if (!run.machine.empty()) line += " (" + escaped(run.machine) + ")";
  return line + ". Mean Dice of the " + count(static_cast<Index>(run.cases.size())) + " cases of the " +
         escaped(run.set) + " set:";
}

// Runs of a row with the same classes and number of cases share a table.
bool same_table(const RunResult& a, const RunResult& b) {
  return a.classes == b.classes && a.cases.size() == b.cases.size();
}

std::string dice_table(const std::vector<const RunResult*>& runs) {
  const RunResult& first = *runs.front();
  std::string table = "<p class=\"note\">" + facts(runs) + "</p>\n<div class=\"wide\">\n<table>\n<thead><tr>";
  table += "<th class=\"name\">seed</th><th class=\"name\">predictor</th>";
  for (std::size_t c = 1; c < first.classes.size(); ++c)
    table += "<th>" + escaped(first.classes[c]) + "</th>";
  table += "<th>mean</th></tr></thead>\n<tbody>\n";
  for (const RunResult* run : runs) {
    for (std::size_t p = 0; p < run->predictors.size(); ++p) {
      table += "<tr><td class=\"name\">" + std::to_string(run->seed) + "</td><td class=\"name\">" +
               escaped(run->predictors[p]) + "</td>";
      for (std::size_t c = 1; c < first.classes.size(); ++c) table += dice_cell(class_dice(*run, p, c - 1));
      table += dice_cell(mean_dice(*run, p)) + "</tr>\n";
    }
  }
  return table + "</tbody>\n</table>\n</div>\n";
}

std::string picture_figure(const std::string& row, const CasePicture& picture, const fs::path& folder) {
  const std::string words = escaped(picture.kind) + ": case " + escaped(picture.case_id);
  const std::string caption = words + ", Dice " + fixed_number(picture.dice, 3);
  const fs::path file = folder / picture.file;
  std::error_code unknown;  // a folder that may not be looked into: reading fails and says why
  const fs::file_type type = fs::status(file, unknown).type();
  if (picture.file.empty() || type == fs::file_type::not_found) {
    return html_figure("<p class=\"missing\">The picture " + escaped(picture.file) + " is not there.</p>\n",
                       caption);
  }
  if (type != fs::file_type::regular && type != fs::file_type::none) {  // a pipe would never end
    throw Error(ExitCode::filesystem, text(file.string(), ": expected a picture, found something else"));
  }
  const std::string alt = escaped(row) + ", " + words +
                          ": the image with its reference, with the prediction, and "
                          "the uncertainty";
  return html_figure("<img src=\"" + png_data_uri(file) + "\" alt=\"" + alt + "\"/>\n", caption);
}

}  // namespace

std::string dice_section(const std::vector<PageRow>& rows) {
  std::string body;
  for (const PageRow& row : rows) {
    std::vector<std::vector<const RunResult*>> tables;
    for (const RunResult* run : row.runs) {
      if (run->cases.empty() || run->predictors.empty()) continue;
      if (tables.empty() || !same_table(*tables.back().front(), *run)) tables.emplace_back();
      tables.back().push_back(run);
    }
    if (tables.empty()) continue;
    body += "<div>\n<h3>" + escaped(row.name) + "</h3>\n";
    for (const auto& runs : tables) body += dice_table(runs);
    body += "</div>\n";
  }
  if (!body.empty()) body = "<div class=\"grid\">\n" + body + "</div>\n";
  return html_section("Dice of each predictor", body);
}

std::string pictures_section(const std::vector<PageRow>& rows, const fs::path& folder) {
  std::string body;
  for (const PageRow& row : rows) {
    const RunResult& run = *row.runs.front();
    if (run.pictures.empty()) continue;
    body += "<h3>" + escaped(row.name) + ", seed " + std::to_string(run.seed) +
            "</h3>\n<div class=\"grid pictures\">\n";
    for (const CasePicture& picture : run.pictures) body += picture_figure(row.name, picture, folder);
    body += "</div>\n";
  }
  if (!body.empty()) {
    body =
        "<p class=\"note\">The cases with the highest, the middle and the lowest mean Dice: what to expect "
        "at "
        "best, usually and at worst. Colours are classes; in the uncertainty map bright is doubtful.</p>\n" +
        body;
  }
  return html_section("Best, median and worst case", body);
}

}  // namespace duet
