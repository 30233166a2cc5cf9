#include "io/config/nearest_name.h"

#include <algorithm>

namespace duet {
namespace {

std::string_view last_part(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

constexpr std::size_t kLongestName = 200;  // names from files may be of any length; the distance is quadratic

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment: rows i-2, i-1 and i of the usual table.
  std::vector<int> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  if (name.empty() || name.size() > kLongestName) return "";
  std::string best;
  int best_distance = 1 + std::max<int>(2, static_cast<int>(name.size()) / 3);
  for (const std::string& candidate : known) {
    int distance = edit_distance(name, candidate);
    // A right last part in the wrong section beats any but a one-letter slip.
    const int part_distance = edit_distance(last_part(name), last_part(candidate));
    if (part_distance <= 1 && last_part(name).size() > 3) distance = std::min(distance, 1 + part_distance);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace duet
