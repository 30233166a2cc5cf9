#include "engine/backend/cuda/plan_file.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <vector>

#include "engine/core/errors.h"

namespace duet::cuda {
namespace {

constexpr const char* kBegins = "duet convolution plans ";
constexpr const char* kFormat =
    "duet convolution plans 3";  // 1 had plans that were not compared, 2 lines of other cards

// FNV-1a, in hexadecimal: the library need not bear a plan that is not its own. Of the header, too, as two
// processes with different cards may add to one file.
std::string checksum(const std::string& header, const std::string& rest) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto take = [&](unsigned char c) { hash = (hash ^ c) * 1099511628211ULL; };
  for (const char c : header) take(static_cast<unsigned char>(c));
  take('\n');
  for (const char c : rest) take(static_cast<unsigned char>(c));
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

// On one line: JSON may have blanks in place of line ends and tabs, and so may names.
std::string one_line(std::string line) {
  const auto breaks = [](char c) { return c == '\n' || c == '\r' || c == '\t'; };
  std::replace_if(line.begin(), line.end(), breaks, ' ');
  return line;
}

std::string line_of(const std::string& header, const std::string& key, const StoredPlan& plan) {
  const std::string rest = text(key, '\t', plan.through_scratch ? "add" : "run", '\t', one_line(plan.name),
                                '\t', one_line(plan.json));
  return text(checksum(header, rest), '\t', rest, '\n');
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::size_t begin = 0;
  for (std::size_t end; (end = line.find('\t', begin)) != std::string::npos; begin = end + 1) {
    fields.push_back(line.substr(begin, end - begin));
  }
  fields.push_back(line.substr(begin));
  return fields;
}

void say(const std::string& path, const std::string& what) {
  std::fprintf(stderr, "plan cache %s: %s\n", path.c_str(), what.c_str());
}

}  // namespace

PlanFile::PlanFile(std::string path, const std::string& made_with)
    : path_(std::move(path)), header_(text(kFormat, "; ", one_line(made_with))) {
  if (!path_.empty()) load();
}

void PlanFile::load() {
  std::error_code ignored;
  if (!std::filesystem::exists(path_, ignored)) return;
  std::ifstream in(path_, std::ios::binary);
  std::string line;
  const bool read = static_cast<bool>(std::getline(in, line));
  if (!read && in.is_open() && in.eof()) return;  // empty
  // Somebody's other file, given by mistake: it is not to be written over.
  if (line.rfind(kBegins, 0) != 0) {
    say(path_, read ? "is no plan cache; going on without" : "cannot be read; going on without");
    return give_up();
  }
  if (line != header_) return say(path_, text("made with other software (", line, "); starting afresh"));
  int number = 1, damaged = 0;
  bool ended = true;  // the last line: else what is added would become part of it
  while (std::getline(in, line)) {
    ++number;
    ended = !in.eof();
    if (!parse(line) && damaged == 0) damaged = number;
  }
  if (damaged != 0) say(path_, text("line ", damaged, " is damaged; ignored"));
  appends_ = damaged == 0 && ended;
}

bool PlanFile::parse(const std::string& line) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos || checksum(header_, line.substr(tab + 1)) != line.substr(0, tab)) {
    return false;
  }
  const std::vector<std::string> fields = split(line);
  if (fields.size() != 5) return false;
  plans_[fields[1]] = {fields[3], fields[4], fields[2] == "add"};
  return true;
}

const StoredPlan* PlanFile::find(const std::string& key) const {
  const auto found = plans_.find(key);
  return found == plans_.end() ? nullptr : &found->second;
}

void PlanFile::add(const std::string& key, StoredPlan plan) {
  if (path_.empty()) return;
  const std::string line = line_of(header_, key, plan);
  plans_[key] = std::move(plan);
  if (appends_) {
    append(line);
  } else {
    write_anew();
  }
}

void PlanFile::append(const std::string& line) {
  std::ofstream out(path_, std::ios::binary | std::ios::app);
  if (!out.write(line.data(), static_cast<std::streamsize>(line.size())).flush()) {
    say(path_, "cannot be written; going on without");
    give_up();
  }
}

void PlanFile::write_anew() {
  const std::string unfinished = text(path_, ".new.", getpid());  // another process may be at it, too
  std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
  out << header_ << '\n';
  for (const auto& [key, plan] : plans_) out << line_of(header_, key, plan);
  out.close();
  std::error_code failed;
  if (out) std::filesystem::rename(unfinished, path_, failed);
  if (!out || failed) {
    std::filesystem::remove(unfinished, failed);
    say(path_, "cannot be written; going on without");
    return give_up();
  }
  appends_ = true;
}

void PlanFile::give_up() { path_.clear(); }

}  // namespace duet::cuda
