// metrics.csv as tests compare it: two runs of one seed differ in nothing but the time column.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace duet::testing {

inline std::string metrics_without_time(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(','), second = line.find(',', first + 1);
    out += line.substr(0, first) + line.substr(second) + "\n";
  }
  return out;
}

}  // namespace duet::testing
