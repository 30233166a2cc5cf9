#include "tests/tools/repo_habits.h"

namespace duet::habits {
namespace {

std::string at(const Source& source, std::size_t line, const std::string& what) {
  return source.path + ":" + std::to_string(line + 1) + ": " + what;
}

std::string check_project_include(const std::string& from, const std::string& included) {
  const Room* room = room_of(from);
  const Room* target = room_of(included);
  if (!target) return "\"" + included + "\" is not a path from the root into a room";
  if (target == room) return "";
  // A room of subfolders (tests, tools) may be allowed by its beginning: "engine" allows every room of the
  // engine.
  for (const std::string& allowed : room->may_include) {
    if (under(target->path, allowed) && (target->path == allowed || !room_of(allowed))) return "";
  }
  return room->path + " may not include " + target->path + " (\"" + included + "\")";
}

std::string check_vendor_include(const std::string& from, const std::string& included) {
  for (const Vendor& vendor : kVendors) {
    if (!std::regex_match(included, std::regex(vendor.header))) continue;
    if (under_any(from, vendor.rooms)) return "";
    return "vendor header <" + included + "> may stand in " + vendor.rooms.front() + " only";
  }
  return "";
}

}  // namespace

std::vector<std::string> include_violations(const std::vector<Source>& sources) {
  static const std::regex include(R"(\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::vector<std::string> found;
  for (const Source& source : sources) {
    if (!room_of(source.path)) {
      found.push_back(at(source, 0, "is in no room of the include table"));
      continue;
    }
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_match(source.lines[i], match, include)) continue;
      const std::string included = match[2];
      std::string wrong = check_vendor_include(source.path, included);
      const bool ours = match[1] == "\"" || under_any(included, kTops);
      const bool vendors = std::any_of(kVendors.begin(), kVendors.end(), [&](const Vendor& vendor) {
        return std::regex_match(included, std::regex(vendor.header));
      });
      if (wrong.empty() && ours && !vendors) wrong = check_project_include(source.path, included);
      if (!wrong.empty()) found.push_back(at(source, i, wrong));
    }
  }
  return found;
}

std::vector<std::string> length_violations(const std::vector<Source>& sources) {
  std::vector<std::string> found;
  for (const Source& source : sources) {
    if (source.lines.size() <= kMostLines) continue;
    found.push_back(
        at(source, kMostLines,
           std::to_string(source.lines.size()) + " lines, at most " + std::to_string(kMostLines)));
  }
  return found;
}

std::vector<std::string> backend_macro_violations(const std::vector<Source>& sources) {
  static const std::regex condition(R"(\s*#\s*(if|ifdef|ifndef|elif)\b(.*))");
  std::vector<std::string> found;
  for (const Source& source : sources) {
    if (under_any(source.path, kBackendTable)) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      std::smatch match, macro;
      if (!std::regex_match(source.lines[i], match, condition)) continue;
      const std::string rest = match[2];
      if (!std::regex_search(rest, macro, kBackendMacro)) continue;
      if (macro[0] == "__CUDACC__" && under_any(source.path, kDeviceMark)) continue;
      found.push_back(
          at(source, i,
             "#if on a backend (" + macro[0].str() + ") may stand in " + kBackendTable.front() + " only"));
    }
  }
  return found;
}

std::vector<std::string> readme_violations(const std::filesystem::path& root) {
  std::vector<std::string> found;
  for (const Room& room : kRooms) {
    if (!std::filesystem::is_directory(root / room.path)) continue;
    if (!std::filesystem::is_regular_file(root / room.path / "README.md"))
      found.push_back(room.path + "/README.md:1: is missing");
  }
  for (const Source& readme : read_tree(root, kReadmeNames)) {
    if (readme.lines.size() <= kMostReadmeLines) continue;
    found.push_back(
        at(readme, kMostReadmeLines, std::to_string(readme.lines.size()) + " lines, must be under 40"));
  }
  return found;
}

int median_lines(const std::vector<Source>& sources) {
  std::vector<int> lengths;
  for (const Source& source : sources) lengths.push_back(static_cast<int>(source.lines.size()));
  if (lengths.empty()) return 0;
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  return *middle;
}

}  // namespace duet::habits
