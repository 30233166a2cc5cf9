#include "cotrain/report/page_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "cotrain/report/svg_plot.h"

namespace duet {

std::vector<PageRow> rows_of(const std::vector<RunResult>& runs) {
  std::vector<PageRow> rows;
  for (auto& of_row : by_row(runs)) rows.push_back({of_row.front()->row, plot_colour(rows.size()), of_row});
  return rows;
}

const Curve* curve_of(const RunResult& run, const std::string& name) {
  const auto found = std::find_if(run.curves.begin(), run.curves.end(),
                                  [&](const Curve& curve) { return curve.name == name; });
  return found == run.curves.end() ? nullptr : &*found;
}

Curve mean_curve(const std::vector<const Curve*>& curves) {
  struct Sum {
    double total = 0;
    std::size_t count = 0;
  };
  std::map<double, Sum> at;
  for (const Curve* curve : curves) {
    for (std::size_t i = 0; i < std::min(curve->x.size(), curve->y.size()); ++i) {
      if (!std::isfinite(curve->x[i])) continue;
      Sum& sum = at[curve->x[i]];
      if (!std::isfinite(curve->y[i])) continue;
      sum.total += curve->y[i];
      ++sum.count;
    }
  }
  Curve mean;
  for (const auto& [x, sum] : at) {
    const bool all = sum.count == curves.size();
    mean.x.push_back(x);
    mean.y.push_back(all ? sum.total / static_cast<double>(sum.count)
                         : std::numeric_limits<double>::quiet_NaN());
  }
  return mean;
}

std::optional<double> mean_of(const std::vector<std::optional<double>>& values) {
  double total = 0;
  std::size_t count = 0;
  for (const std::optional<double>& value : values) {
    if (!value || !std::isfinite(*value)) continue;
    total += *value;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return total / static_cast<double>(count);
}

}  // namespace duet
