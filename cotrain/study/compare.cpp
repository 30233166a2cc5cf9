#include "cotrain/study/compare.h"

#include <map>
#include <string>
#include <utility>

namespace duet {
namespace {

// Seed and case.
using Values = std::map<std::pair<std::uint64_t, std::string>, double>;

Values values_of(const Measured& row) {
  Values values;
  for (const RunResult* run : row.runs) {
    for (const CaseResult& each : run->cases) {
      if (const auto figure = row.figure(each)) values[{run->seed, each.id}] = *figure;
    }
  }
  return values;
}

// Where both are.
Values minus(const Values& of, const Values& other) {
  Values difference;
  for (const auto& [place, value] : of) {
    if (const auto found = other.find(place); found != other.end()) difference[place] = value - found->second;
  }
  return difference;
}

SeedsByCases arranged(const Values& values) {
  std::map<std::uint64_t, std::size_t> seeds;
  std::map<std::string, std::size_t> cases;
  for (const auto& [place, value] : values) {
    seeds.emplace(place.first, seeds.size());
    cases.emplace(place.second, 0);
  }
  std::size_t next = 0;
  for (auto& [id, place] : cases) place = next++;
  SeedsByCases by(seeds.size(), std::vector<std::optional<double>>(cases.size()));
  for (const auto& [place, value] : values) by[seeds[place.first]][cases[place.second]] = value;
  return by;
}

}  // namespace

std::optional<Interval> paired_difference(const Measured& row, const Measured& reference) {
  return bootstrap_mean(arranged(minus(values_of(row), values_of(reference))));
}

std::optional<Interval> share_of_gap(const Measured& row, const Measured& from, const Measured& to) {
  const Values low = values_of(from);
  Values part = minus(values_of(row), low), whole = minus(values_of(to), low);
  std::erase_if(part, [&](const auto& each) { return !whole.contains(each.first); });
  std::erase_if(whole, [&](const auto& each) { return !part.contains(each.first); });
  return bootstrap_ratio(arranged(part), arranged(whole));
}

}  // namespace duet
