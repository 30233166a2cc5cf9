// One axis of a plot: which values it spans, where they lie in pixels, its ticks and their words. Called by
// svg_plot.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "cotrain/report/svg_plot.h"

namespace duet {

// Finite, and not so great that sums and ranges overflow.
inline bool plottable(double value) { return std::isfinite(value) && std::abs(value) < 1e30; }

struct Axis {
  PlotRange range;  // of the logarithms where the axis is logarithmic
  bool log = false;
  double from = 0, to = 0;  // pixels of range.low and range.high
  std::vector<double> ticks;
  std::vector<std::string> words;  // of each tick

  double value(double raw) const { return !log ? raw : raw > 0 ? std::log10(raw) : std::nan(""); }
  bool shows(double raw) const { return plottable(raw) && plottable(value(raw)); }
  double at(double raw) const {
    return from + (value(raw) - range.low) / (range.high - range.low) * (to - from);
  }
};

enum class Along { x, y };

// The range that the plot gives, else that of its points with `air` of its length on both sides; about
// `wanted` ticks.
Axis make_axis(const Plot& plot, Along along, double air, int wanted);

}  // namespace duet
