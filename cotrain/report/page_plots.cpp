// The sections of curves over iterations: validation Dice, gradients of the lanes, loss terms.
#include <algorithm>

#include "cotrain/report/html.h"
#include "cotrain/report/page_rows.h"
#include "cotrain/report/svg_plot.h"

namespace duet {
namespace {

constexpr int kMostNetworks = 9;  // whose lanes are looked for

std::string plotted(const Plot& plot, const std::string& caption) {
  return has_points(plot) ? html_figure(svg_plot(plot), caption) : "";
}

// Figures side by side, or one with its caption beside it.
std::string laid_out(const std::string& kind, const std::string& figures) {
  return figures.empty() ? "" : "<div class=\"" + kind + "\">\n" + figures + "</div>\n";
}

PlotSeries series_of(const Curve& curve, const std::string& name, const std::string& colour) {
  PlotSeries series;
  series.name = name;
  series.colour = colour;
  series.x = curve.x;
  series.y = curve.y;
  return series;
}

std::vector<const Curve*> curves_of(const PageRow& row, const std::string& name) {
  std::vector<const Curve*> curves;
  for (const RunResult* run : row.runs) {
    if (const Curve* curve = curve_of(*run, name)) curves.push_back(curve);
  }
  return curves;
}

// A row's mean as a thick line over its seeds as thin ones.
void add_row(Plot& plot, const PageRow& row, const std::vector<const Curve*>& curves) {
  if (curves.empty()) return;
  for (std::size_t i = 0; curves.size() > 1 && i < curves.size(); ++i) {
    PlotSeries seed = series_of(*curves[i], row.name, row.colour);
    seed.width = 1;
    seed.opacity = 0.5;
    seed.legend = false;
    plot.series.push_back(seed);
  }
  plot.series.push_back(series_of(mean_curve(curves), row.name, row.colour));
}

bool several_seeds(const std::vector<PageRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const PageRow& row) { return row.runs.size() > 1; });
}

// How to read the lines of a plot, as the end of its caption's sentence.
std::string lines(const std::vector<PageRow>& rows) {
  return several_seeds(rows) ? "; a colour is a row, thin lines are its seeds, the thick line is their mean."
                             : ".";
}

Plot over_iterations(const std::string& title, const std::string& y_label) {
  Plot plot;
  plot.title = title;
  plot.x_label = "iteration";
  plot.y_label = y_label;
  return plot;
}

std::string cosine_figure(const std::vector<PageRow>& rows, const std::string& number) {
  Plot plot = over_iterations("Do the two tasks agree? Network " + number, "cosine of the gradients");
  plot.y_range = PlotRange{-1, 1};
  for (const PageRow& row : rows) add_row(plot, row, curves_of(row, "lane_cosine_" + number));
  return plotted(plot,
                 "Cosine of the angle between what the labelled and what the unlabelled images want to "
                 "change in the network: "
                 "1 is the same direction, 0 none in common, below 0 they pull against each other" +
                     lines(rows));
}

// Both norms of all rows: seeds are left out, as solid and dashed lines of them could not be told apart.
std::string norm_figure(const std::vector<PageRow>& rows, const std::string& number) {
  Plot plot = over_iterations("How strongly does each task pull? Network " + number, "norm of the gradient");
  plot.log_y = true;
  for (const PageRow& row : rows) {
    for (const bool supervised : {true, false}) {
      const auto curves = curves_of(row, (supervised ? "lane_norm_sup_" : "lane_norm_uns_") + number);
      if (curves.empty()) continue;
      // Of many rows the caption says what is dashed: a legend of twice as many names would be long.
      const bool many = rows.size() > 1;
      PlotSeries series = series_of(mean_curve(curves),
                                    many         ? row.name
                                    : supervised ? "labelled"
                                                 : "unlabelled",
                                    row.colour);
      series.legend = !many || supervised;
      series.dashed = !supervised;
      series.width = 2;
      plot.series.push_back(series);
    }
  }
  return plotted(plot,
                 std::string("Length of the gradient of the labelled images (solid) and of the unlabelled "
                             "ones with their weight lambda (dashed) on a logarithmic scale: the higher of "
                             "the two steers the network") +
                     (several_seeds(rows) ? "; means over the seeds." : "."));
}

}  // namespace

std::string learning_section(const std::vector<PageRow>& rows) {
  Plot plot = over_iterations("Validation Dice", "mean Dice over the classes");
  std::vector<std::string> measured;  // predictors that the curves are of
  for (const PageRow& row : rows) {
    std::vector<const Curve*> curves;
    for (const RunResult* run : row.runs) {
      if (run->predictors.empty()) continue;
      const std::string& last = run->predictors.back();
      const Curve* curve = curve_of(*run, "dice " + last);
      if (!curve) continue;
      curves.push_back(curve);
      if (std::find(measured.begin(), measured.end(), last) == measured.end()) measured.push_back(last);
    }
    add_row(plot, row, curves);
  }
  std::string who;
  for (const std::string& predictor : measured) who += (who.empty() ? "" : " or ") + escaped(predictor);
  const std::string caption =
      "Overlap of segmentation and reference on the validation cases during training (" + who +
      "): 1 is a perfect match, 0 no overlap, and a curve that has gone flat has learnt what it can" +
      lines(rows);
  return html_section("Learning curves", laid_out("solo", plotted(plot, caption)));
}

std::string lanes_section(const std::vector<PageRow>& rows) {
  std::string figures;
  for (int network = 1; network <= kMostNetworks; ++network)
    figures += cosine_figure(rows, std::to_string(network)) + norm_figure(rows, std::to_string(network));
  return html_section("Gradients of the two tasks", laid_out("grid", figures));
}

std::string losses_section(const RunResult& run) {
  constexpr std::string_view kPrefix = "loss ";
  Plot plot = over_iterations("Loss terms", "loss");
  for (const Curve& curve : run.curves) {
    if (!curve.name.starts_with(kPrefix)) continue;
    plot.series.push_back(
        series_of(curve, curve.name.substr(kPrefix.size()), plot_colour(plot.series.size())));
    plot.series.back().width = 1.5;
    plot.series.back().dashed = plot.series.size() > 7;  // the colours repeat
  }
  const std::string caption =
      "What training makes small: sup_N is network N's error on labelled images, uns_N its disagreement with "
      "its "
      "teacher or the other network on unlabelled ones, each before its weight; what falls is being learnt.";
  return html_section("Loss terms", laid_out("solo", plotted(plot, caption)));
}

}  // namespace duet
