#include "cotrain/report/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "cotrain/report/html.h"
#include "cotrain/report/plot_axis.h"

namespace duet {
namespace {

constexpr double kWidth = 480, kTop = 36, kHeight = 250, kRight = 16;  // of the area of the curves
constexpr double kLetter = 7.3;  // width of a letter of 13 pixels, about
constexpr double kOverhang = 5;  // so that a line on the edge is not cut in half
constexpr std::size_t kLongestName = 48;

std::string px(double value) { return short_number(std::round(std::clamp(value, -1e5, 1e5) * 100) / 100, 7); }

// Its attributes are numbers of ours and names of ours: no text from outside.
std::string line(double x1, double y1, double x2, double y2, const std::string& rest) {
  return "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) + "\" " +
         rest + "/>\n";
}

std::string label(double x, double y, const std::string& anchor, const std::string& words,
                  const std::string& rest = "") {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\"" + rest + ">" +
         escaped(words) + "</text>\n";
}

// Letters, not bytes, of UTF-8 text.
std::size_t letters(const std::string& words) {
  return static_cast<std::size_t>(
      std::count_if(words.begin(), words.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string shortened(const std::string& words) {
  if (letters(words) <= kLongestName) return words;
  std::size_t end = 0;
  for (std::size_t seen = 0; end < words.size(); ++end) {
    if ((words[end] & 0xC0) != 0x80 && seen++ == kLongestName - 1) break;
  }
  return words.substr(0, end) + "…";
}

std::string attributes(const PlotSeries& series) {
  return "stroke=\"" + escaped(series.colour) + "\" stroke-width=\"" + px(series.width) + "\"" +
         (series.opacity < 1 ? " opacity=\"" + px(series.opacity) + "\"" : "") +
         (series.dashed ? " stroke-dasharray=\"7 4\"" : "");
}

std::string dot(const PlotSeries& series, const std::string& x, const std::string& y) {
  return "<circle cx=\"" + x + "\" cy=\"" + y + "\" r=\"" + px(series.width + 1) + "\" fill=\"" +
         escaped(series.colour) + "\"/>\n";
}

// Runs of points that can be drawn, each one a line; `shift` is where the clipping frame starts.
std::string curve(const PlotSeries& series, const Axis& x, const Axis& y, double shift_x, double shift_y) {
  std::string out, points;
  std::size_t joined = 0;
  std::string last_dot;
  const auto finish = [&] {
    if (joined > 1) {
      out += "<polyline fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\" " +
             attributes(series) + " points=\"" + points + "\"/>\n";
    } else if (joined == 1 && !series.markers) {
      out += last_dot;
    }
    points.clear();
    joined = 0;
  };
  for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    if (!plottable(series.x[i]) || !y.shows(series.y[i])) {
      finish();
      continue;
    }
    const std::string at_x = px(x.at(series.x[i]) - shift_x), at_y = px(y.at(series.y[i]) - shift_y);
    if (joined++ > 0) points += ' ';
    points += at_x;
    points += ',';
    points += at_y;
    last_dot = dot(series, at_x, at_y);
    if (series.markers) out += last_dot;
  }
  finish();
  return out;
}

struct Legend {
  std::string svg;
  double height = 0;
};

// Entries one after the other, in a new line where the next one does not fit.
Legend make_legend(const Plot& plot, double left, double top) {
  Legend legend;
  double x = left, y = top;
  for (const PlotSeries& series : plot.series) {
    if (!series.legend) continue;
    const std::string words = shortened(series.name);
    const double width = 32 + kLetter * static_cast<double>(letters(words)) + 18;
    if (x > left && x + width > kWidth) x = left, y += 20;
    legend.svg += line(x, y - 4, x + 24, y - 4, attributes(series)) + label(x + 30, y, "start", words);
    x += width;
    legend.height = y - top + 20;
  }
  return legend;
}

std::string frame_and_ticks(const Plot& plot, const Axis& x, const Axis& y) {
  const std::string grid = "stroke=\"currentColor\" stroke-opacity=\"0.15\"";
  const std::string axis = "stroke=\"currentColor\" stroke-opacity=\"0.6\"";
  std::string out;
  for (std::size_t i = 0; i < y.ticks.size(); ++i) {
    const double at = y.at(y.ticks[i]);
    out += line(x.from, at, x.to, at, grid) + label(x.from - 7, at + 4.5, "end", y.words[i]);
  }
  for (std::size_t i = 0; i < x.ticks.size(); ++i) {
    const double at = x.at(x.ticks[i]);
    out += line(at, y.from, at, y.to, grid) + label(at, y.from + 18, "middle", x.words[i]);
  }
  out += line(x.from, y.from, x.to, y.from, axis) + line(x.from, y.from, x.from, y.to, axis);
  out += label((x.from + x.to) / 2, y.from + 38, "middle", plot.x_label);
  const double middle = (y.from + y.to) / 2;
  out += label(14, middle, "middle", plot.y_label, " transform=\"rotate(-90 14 " + px(middle) + ")\"");
  return out + label(x.from, 18, "start", plot.title, " font-size=\"15\" font-weight=\"600\"");
}

}  // namespace

std::string plot_colour(std::size_t row) {
  static constexpr std::array<const char*, 7> kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                          "#E69F00", "#56B4E9", "#F0E442"};
  return kColours[row % kColours.size()];
}

bool has_points(const Plot& plot) {
  return std::any_of(plot.series.begin(), plot.series.end(), [&](const PlotSeries& series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      if (plottable(series.x[i]) && plottable(series.y[i]) && (!plot.log_y || series.y[i] > 0)) return true;
    }
    return false;
  });
}

std::string svg_plot(const Plot& plot) {
  Axis x = make_axis(plot, Along::x, 0, 6), y = make_axis(plot, Along::y, 0.04, 5);
  std::size_t widest = 1;
  for (const std::string& words : y.words) widest = std::max(widest, words.size());
  x.from = 34 + kLetter * static_cast<double>(widest), x.to = kWidth - kRight;
  y.from = kTop + kHeight, y.to = kTop;

  const Legend legend = make_legend(plot, x.from, y.from + 62);
  const std::string size = px(kWidth) + " " + px(y.from + 46 + legend.height);
  std::string out = "<svg viewBox=\"0 0 " + size + "\" role=\"img\" aria-label=\"" + escaped(plot.title) +
                    "\" font-size=\"13\" fill=\"currentColor\">\n" + frame_and_ticks(plot, x, y);
  // An inner svg clips what stands in it.
  const double left = x.from - kOverhang, top = y.to - kOverhang;
  out += "<svg x=\"" + px(left) + "\" y=\"" + px(top) + "\" width=\"" + px(x.to - left + kOverhang) +
         "\" height=\"" + px(y.from - top + kOverhang) + "\" overflow=\"hidden\">\n";
  for (const PlotSeries& series : plot.series) out += curve(series, x, y, left, top);
  return out + "</svg>\n" + legend.svg + "</svg>\n";
}

}  // namespace duet
