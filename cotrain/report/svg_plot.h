// Curves as inline SVG. Lines, ticks and text take the page's colour, so a plot reads in light and dark; the
// series have colours that colour-blind readers tell apart. Called by page_plots.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace duet {

struct PlotSeries {
  std::string name;
  std::string colour;        // CSS: plot_colour(row), or "currentColor"
  std::vector<double> x, y;  // joined in this order; a point that is not finite breaks the line
  double width = 2.5;        // pixels
  double opacity = 1;
  bool legend = true;
  bool dashed = false;
  bool markers = false;  // a dot at each point; a point without neighbours has one always
};

struct PlotRange {
  double low = 0, high = 1;
};

struct Plot {
  std::string title, x_label, y_label;
  std::vector<PlotSeries> series;             // later ones are drawn over earlier ones
  std::optional<PlotRange> x_range, y_range;  // what lies outside is clipped; none: what the points take
  bool log_y = false;                         // values of 0 and less then count as not finite
};

// Of Okabe and Ito's eight colours the seven that show on black and white, by row; repeats after them.
std::string plot_colour(std::size_t row);

// Multiples of 1, 2 or 5 times a power of ten in the range, about `wanted` of them; none for a range that is
// empty or not finite.
std::vector<double> nice_ticks(const PlotRange& range, int wanted);

// Whether any series has a point that can be drawn.
bool has_points(const Plot& plot);

// An <svg> element of 480 units' width with axes, grid and, below, the legend; it scales with the page.
std::string svg_plot(const Plot& plot);

}  // namespace duet
