#include "cotrain/train/metrics_log.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <unistd.h>

#include "engine/core/errors.h"
#include "io/files/files.h"

namespace duet {
namespace {

std::string joined(const std::vector<std::string>& columns) {
  std::string line;
  for (const std::string& column : columns) line += (line.empty() ? "" : ",") + column;
  return line + "\n";
}

// The header and the lines of iterations 1 .. keep of an earlier log.
std::string kept_lines(const std::filesystem::path& path, const std::string& header, Index keep) {
  std::istringstream in(read_file(path, std::size_t{1} << 30));
  std::string line, kept = header;
  if (!std::getline(in, line) || line + "\n" != header) {
    throw Error(ExitCode::data, text(path.string(), ":1: expected the columns ",
                                     header.substr(0, header.size() - 1), ", found ", line));
  }
  Index last = 0;
  while (last < keep && std::getline(in, line)) {
    const Index iteration = std::atoll(line.c_str());
    if (iteration != last + 1) {
      throw Error(ExitCode::data,
                  text(path.string(), ": expected iteration ", last + 1, ", found ", iteration));
    }
    last = iteration;
    kept += line + "\n";
  }
  if (last < keep) {
    throw Error(ExitCode::data,
                text(path.string(), ": expected lines up to iteration ", keep, ", found ", last));
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& path, const std::vector<std::string>& columns, Index keep)
    : path_(path), columns_(columns.size()) {
  const std::string header = joined(columns);
  write_file(path, keep > 0 ? kept_lines(path, header, keep) : header);
  file_ = std::fopen(path.c_str(), "a");
  if (!file_)
    throw Error(ExitCode::filesystem, text(path.string(), ": cannot append: ", std::strerror(errno)));
}

MetricsLog::~MetricsLog() {
  if (file_) std::fclose(file_);
}

void MetricsLog::write(const std::vector<std::optional<double>>& values) {
  DUET_CHECK(values.size() == columns_, "metrics.csv: ", values.size(), " values for ", columns_, " columns");
  std::string line;
  char number[40];
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ',';
    if (!values[i]) continue;
    const bool whole = i == 0;
    std::snprintf(number, sizeof number, whole ? "%.0f" : "%.9g", *values[i]);
    line += number;
  }
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0) {
    throw Error(ExitCode::filesystem, text(path_.string(), ": cannot write: ", std::strerror(errno)));
  }
}

void MetricsLog::sync() {
  if (::fsync(::fileno(file_)) != 0 && errno != EINVAL) {  // EINVAL: what cannot be synced, as a pipe
    throw Error(ExitCode::filesystem, text(path_.string(), ": cannot write: ", std::strerror(errno)));
  }
}

}  // namespace duet
