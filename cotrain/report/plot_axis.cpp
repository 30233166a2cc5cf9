#include "cotrain/report/plot_axis.h"

#include <algorithm>

#include "cotrain/report/html.h"

namespace duet {
namespace {

std::string tick_words(double tick, double step) {
  if (std::abs(tick) >= 1e7 || step < 1e-4) return short_number(tick);
  return fixed_number(tick, std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9))));
}

// 1, 2, 5, 10, ...; powers of ten alone over many decades.
std::vector<double> log_ticks(const PlotRange& range, int wanted) {
  std::vector<double> ticks;
  const double decades = range.high - range.low;
  const int every = std::max(1, static_cast<int>(std::ceil(decades / wanted)));
  for (int power = static_cast<int>(std::floor(range.low)); power <= range.high; ++power) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double tick = digit * std::pow(10, power), at = std::log10(tick);
      if (at < range.low || at > range.high || power % every != 0 || (digit > 1 && decades > 3)) continue;
      ticks.push_back(tick);
    }
  }
  if (ticks.size() > 2) return ticks;
  return nice_ticks({std::pow(10, range.low), std::pow(10, range.high)}, wanted);  // less than a decade
}

void add_ticks(Axis& axis, int wanted) {
  axis.ticks = axis.log ? log_ticks(axis.range, wanted) : nice_ticks(axis.range, wanted);
  const bool decades = axis.log && axis.range.high - axis.range.low > 1;
  const double step = axis.ticks.size() > 1 ? axis.ticks[1] - axis.ticks[0] : 1;
  for (const double tick : axis.ticks)
    axis.words.push_back(decades ? short_number(tick) : tick_words(tick, step));
}

PlotRange range_of_points(const Plot& plot, const Axis& axis, Along along, double air) {
  bool any = false;
  double low = 0, high = 1;
  for (const PlotSeries& series : plot.series) {
    for (const double raw : along == Along::y ? series.y : series.x) {
      if (!axis.shows(raw)) continue;
      const double value = axis.value(raw);
      low = any ? std::min(low, value) : value;
      high = any ? std::max(high, value) : value;
      any = true;
    }
  }
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-6 * size) {  // one value: it stands in the middle
    const double half = size > 0 ? 0.1 * size : 0.5;
    low -= half, high += half;
  }
  return {low - air * (high - low), high + air * (high - low)};
}

}  // namespace

std::vector<double> nice_ticks(const PlotRange& range, int wanted) {
  if (!plottable(range.low) || !plottable(range.high) || !(range.low < range.high) || wanted < 1) return {};
  const double rough = (range.high - range.low) / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough))), digit = rough / power;
  const double step = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  const double first = std::ceil(range.low / step - 1e-9);  // a hair more than an end is the end
  for (int i = 0; i <= 3 * wanted && (first + i) * step <= range.high + 1e-9 * step; ++i)
    ticks.push_back((first + i) * step);
  return ticks;
}

Axis make_axis(const Plot& plot, Along along, double air, int wanted) {
  Axis axis;
  axis.log = along == Along::y && plot.log_y;
  const auto& given = along == Along::y ? plot.y_range : plot.x_range;
  if (given && given->low < given->high && axis.shows(given->low) && axis.shows(given->high)) {
    axis.range = {axis.value(given->low), axis.value(given->high)};
  } else {
    axis.range = range_of_points(plot, axis, along, air);
  }
  add_ticks(axis, wanted);
  return axis;
}

}  // namespace duet
