// The habits of the repository, as data and as checks over a source tree: who may include whom, how long
// files are, which rooms have a README, where a backend may be asked for by #if. Called by
// repo_habits_test.cpp, on this tree and on made-up bad ones.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace duet::habits {

struct Room {
  std::string path;                      // folder, or the beginning of file names (engine/backend/table)
  std::vector<std::string> may_include;  // the same kind of paths, beside its own
};

// The include table of the design. The longest matching path is a file's room.
inline const std::vector<Room> kRooms = {
    {"engine/core", {}},
    {"engine/memory", {"engine/core"}},
    {"engine/tensor", {"engine/memory", "engine/core"}},
    {"engine/kernels", {"engine/tensor", "engine/memory", "engine/core"}},
    {"engine/backend/ref", {"engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    // Falls back to ref's loops by inheritance.
    {"engine/backend/onednn",
     {"engine/backend/ref", "engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    {"engine/backend/cuda", {"engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    {"engine/backend/timed", {"engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    // The backend table: the files directly in engine/backend.
    {"engine/backend",
     {"engine/backend/ref", "engine/backend/onednn", "engine/backend/cuda", "engine/kernels", "engine/tensor",
      "engine/memory", "engine/core"}},
    {"engine/autograd", {"engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    {"engine/ops", {"engine/autograd", "engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    {"nn",
     {"engine/ops", "engine/autograd", "engine/kernels", "engine/tensor", "engine/memory", "engine/core"}},
    {"io", {"engine/core"}},
    {"cotrain",
     {"nn", "io", "engine/ops", "engine/autograd", "engine/kernels", "engine/tensor", "engine/memory",
      "engine/core"}},
    {"tools", {"cotrain", "nn", "io", "engine"}},
    {"tests", {"tools", "cotrain", "nn", "io", "engine"}},
};

struct Vendor {
  std::string header;  // regular expression over the whole name
  std::vector<std::string> rooms;
};

// Vendor headers and where they may stand. A header with a folder that is not listed here is nobody's.
inline const std::vector<Vendor> kVendors = {
    {R"((oneapi/dnnl/)?dnnl.*\.h(pp)?)", {"engine/backend/onednn"}},
    {R"((cudnn|cublas|cuda|curand|cusparse|nvrtc|nvToolsExt|thrust/|cub/|cutlass/).*)",
     {"engine/backend/cuda"}},
    {R"((nifti/)?(nifti|znz|analyze).*\.h)", {"io"}},
    {R"(png\.h|zlib\.h)", {"io", "tests"}},
    {R"(nlohmann/.*)", {"io", "cotrain", "tools", "tests"}},
    {R"(CLI/.*)", {"tools"}},
    {R"(doctest/.*)", {"tests"}},
    {R"(omp\.h)", {"engine/core"}},
};

// A backend may be asked for by #if in these files only; __CUDACC__ names a compiler, and marks functions for
// the device.
inline const std::regex kBackendMacro(R"(DUET_\w*(ONEDNN|DNNL|CUDA|CUDNN)|__CUDACC__)");
inline const std::vector<std::string> kBackendTable = {"engine/backend/table.cpp"};
inline const std::vector<std::string> kDeviceMark = {"engine/core/host_device.h", "engine/backend/cuda"};

constexpr int kMostLines = 500;
constexpr int kMostReadmeLines = 39;
inline const std::vector<std::string> kTops = {"engine", "nn", "io", "cotrain", "tools", "tests"};

// `path` is `prefix` or lies below it.
inline bool under(const std::string& path, const std::string& prefix) {
  return path == prefix || path.rfind(prefix + "/", 0) == 0;
}

inline bool under_any(const std::string& path, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return under(path, p); });
}

// The innermost room whose folder holds the path; nullptr where there is none.
inline const Room* room_of(const std::string& path) {
  const Room* best = nullptr;
  for (const Room& room : kRooms) {
    if (under(path, room.path) && (!best || room.path.size() > best->path.size())) best = &room;
  }
  return best;
}

struct Source {
  std::string path;  // from the root, with /
  std::vector<std::string> lines;
};

inline std::vector<Source> read_tree(const std::filesystem::path& root, const std::regex& names) {
  std::vector<Source> sources;
  for (const std::string& top : kTops) {
    if (!std::filesystem::is_directory(root / top)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top)) {
      if (!entry.is_regular_file() || !std::regex_match(entry.path().filename().string(), names)) continue;
      Source source{std::filesystem::relative(entry.path(), root).generic_string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) source.lines.push_back(line);
      sources.push_back(std::move(source));
    }
  }
  std::sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) { return a.path < b.path; });
  return sources;
}

inline const std::regex kSourceNames(R"(.*\.(h|hpp|cpp|cu|cuh|inc|c))");
inline const std::regex kReadmeNames(R"(README\.md)");

// Each check returns its violations as "file:line: what is wrong".
std::vector<std::string> include_violations(const std::vector<Source>& sources);
std::vector<std::string> length_violations(const std::vector<Source>& sources);
std::vector<std::string> backend_macro_violations(const std::vector<Source>& sources);
std::vector<std::string> readme_violations(const std::filesystem::path& root);
int median_lines(const std::vector<Source>& sources);

}  // namespace duet::habits
