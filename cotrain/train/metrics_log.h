// metrics.csv: one line an iteration, written as it comes. The trainer's only table; `duet report` and people
// read it.
#pragma once

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

class MetricsLog {
 public:
  // Columns begin with iteration and seconds. With `keep` > 0 an existing file keeps its lines up to that
  // iteration (what came after the checkpoint is run again) and is appended to; otherwise it is made anew.
  // Throws Error(filesystem), or Error(data) where a kept file has other columns or misses lines.
  MetricsLog(const std::filesystem::path& path, const std::vector<std::string>& columns, Index keep);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // One value a column, in their order; an absent one is an empty field. Throws Error(filesystem) when the
  // line cannot be written.
  void write(const std::vector<std::optional<double>>& values);
  // Flushes what was written to disk: a checkpoint is not to outlive its lines. Throws Error(filesystem).
  void sync();

 private:
  std::filesystem::path path_;
  std::size_t columns_;
  std::FILE* file_ = nullptr;
};

}  // namespace duet
