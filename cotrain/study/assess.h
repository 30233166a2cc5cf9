// A finished run, measured: its networks segment cases whose labels they have never seen; what tables, plots
// and pictures need of that is kept. Called by `duet study` and `duet report`.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cotrain/study/result.h"
#include "engine/kernels/backend.h"

namespace duet {

struct AssessOptions {
  std::string row;                  // RunResult::row
  std::string set = "report";       // or "validation": which cases of split.json
  std::string checkpoint = "last";  // or "best"
  std::filesystem::path pictures;   // folder of the PNG files, their names begin with `prefix`; empty: none
  std::string prefix;
  std::string machine;
  std::filesystem::path dataset;  // dataset.json, where it has moved since; empty: the run's
  bool bf16 = false;              // activations; what the device really runs in
  std::function<void(Index done, Index total)> progress = [](Index, Index) {};
};

// What a result says it was made on: "onednn, oneDNN 2.6.3 (avx2), 1 thread, f32", with those of the
// libraries' versions that the backend uses.
std::string machine_text(const std::string& backend, const std::vector<std::string>& versions, int threads,
                         bool bf16);

// Throws Error: no run, no checkpoint, no cases in the set (data), files that changed since the run (data).
RunResult assess_run(Backend& backend, const std::filesystem::path& run, const AssessOptions& options);

}  // namespace duet
