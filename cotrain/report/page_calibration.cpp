// The sections on whether a prediction's own doubt can be believed: reliability diagrams, and Dice without
// the most uncertain voxels.
#include <algorithm>
#include <iterator>

#include "cotrain/report/html.h"
#include "cotrain/report/page_rows.h"
#include "cotrain/report/svg_plot.h"

namespace duet {
namespace {

// The seeds' bins, added up; runs with another number of bins than the first that has voxels are left out.
Calibration pooled(const PageRow& row) {
  Calibration sum;
  bool any = false;
  for (const RunResult* run : row.runs) {
    const auto& bins = run->calibration.bins;
    if (std::none_of(bins.begin(), bins.end(), [](const CalibrationBin& bin) { return bin.voxels > 0; }))
      continue;
    if (!any) sum.bins.assign(bins.size(), {});
    any = true;
    if (bins.size() != sum.bins.size()) continue;
    for (std::size_t b = 0; b < bins.size(); ++b) {
      sum.bins[b].voxels += bins[b].voxels;
      sum.bins[b].confidence += bins[b].confidence;
      sum.bins[b].correct += bins[b].correct;
    }
  }
  return sum;
}

PlotSeries series_of(const PageRow& row) {
  PlotSeries series;
  series.name = row.name;
  series.colour = row.colour;
  series.width = 2;
  series.markers = true;
  return series;
}

// Mean Dice over classes and cases with nothing and with each share left out, over the cases where all of
// these are defined, so that every point is of the same cases.
PlotSeries dice_of_shares(const PageRow& row) {
  std::vector<double> sums(std::size(kLeftOut) + 1, 0.0);
  std::size_t count = 0;
  std::vector<std::optional<double>> aucs;
  for (const RunResult* run : row.runs) {
    for (const CaseResult& from : run->cases) {
      aucs.push_back(from.error_auc);
      if (run->predictors.empty() || from.metrics.size() < run->predictors.size() ||
          from.kept_dice.size() != std::size(kLeftOut)) {
        continue;
      }
      std::vector<std::optional<double>> values = {mean_dice(from, run->predictors.size() - 1)};
      for (const auto& classes : from.kept_dice) values.push_back(mean_of(classes));
      if (std::any_of(values.begin(), values.end(), [](const auto& value) { return !value; })) continue;
      for (std::size_t i = 0; i < values.size(); ++i) sums[i] += *values[i];
      ++count;
    }
  }
  PlotSeries series = series_of(row);
  for (std::size_t i = 0; count > 0 && i < sums.size(); ++i) {
    series.x.push_back(i == 0 ? 0 : 100 * kLeftOut[i - 1]);
    series.y.push_back(sums[i] / static_cast<double>(count));
  }
  if (const auto auc = mean_of(aucs)) series.name += " (AUC " + fixed_number(*auc, 3) + ")";
  return series;
}

std::string figure_section(const std::string& heading, const Plot& plot, const std::string& caption) {
  return html_section(heading, "<div class=\"solo\">\n" + html_figure(svg_plot(plot), caption) + "</div>\n");
}

}  // namespace

std::string reliability_section(const std::vector<PageRow>& rows) {
  Plot plot;
  plot.title = "Reliability";
  plot.x_label = "confidence: probability of the class chosen";
  plot.y_label = "share of voxels that are right";
  plot.x_range = plot.y_range = PlotRange{0, 1};
  for (const PageRow& row : rows) {
    const Calibration sum = pooled(row);
    PlotSeries series = series_of(row);
    for (const CalibrationBin& bin : sum.bins) {
      if (bin.voxels <= 0) continue;
      series.x.push_back(bin.confidence / static_cast<double>(bin.voxels));
      series.y.push_back(static_cast<double>(bin.correct) / static_cast<double>(bin.voxels));
    }
    if (series.x.empty()) continue;
    if (const auto error = expected_calibration_error(sum))
      series.name += " (ECE " + fixed_number(*error, 4) + ")";
    plot.series.push_back(series);
  }
  if (!has_points(plot)) return "";
  PlotSeries honest;
  honest.name = "as sure as right";
  honest.colour = "currentColor";
  honest.x = honest.y = {0, 1};
  honest.width = 1;
  honest.dashed = true;
  plot.series.insert(plot.series.begin(), honest);
  return figure_section(
      "Can the probabilities be believed?", plot,
      "Of all voxels with a certain confidence, how many are right: below the dashed line a "
      "prediction is surer than it should be, above it too modest, and ECE is the mean distance "
      "from it, weighted by voxels (nearly all of which lie at the right edge).");
}

std::string left_out_section(const std::vector<PageRow>& rows) {
  Plot plot;
  plot.title = "Dice without the most uncertain voxels";
  plot.x_label = "most uncertain voxels left out, %";
  plot.y_label = "mean Dice of the rest";
  for (const PageRow& row : rows) {
    const PlotSeries series = dice_of_shares(row);
    if (!series.x.empty()) plot.series.push_back(series);
  }
  if (!has_points(plot)) return "";
  return figure_section(
      "Does the uncertainty map find the errors?", plot,
      "Dice when the voxels that the uncertainty map marks most are not counted, as if they "
      "were left to a reader: the faster a curve rises, the better the map points at errors, and AUC is "
      "the chance that a wrong voxel is marked more than a right one (0.5 is guessing).");
}

}  // namespace duet
