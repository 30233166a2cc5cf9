// How many Monte Carlo passes an uncertainty map needs: how far that of T passes is from that of many, over
// the cases of a finished run. Called by `duet report --passes`.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cotrain/study/tables.h"
#include "engine/kernels/backend.h"

namespace duet {

// Sums over pairs of voxels of two maps, of the values less the first pair's, so that a constant map has a
// variance of exactly 0.
struct MapAgreement {
  Index voxels = 0;
  double map_shift = 0, reference_shift = 0;
  double absolute = 0;  // |map - reference|
  double map = 0, reference = 0, map_square = 0, reference_square = 0, product = 0;
};

// Adds a case. Throws EngineError where the lengths differ.
void add_maps(MapAgreement& agreement, std::span<const float> map, std::span<const float> reference);

// Not a number where there are no voxels; correlation (Pearson's) also where a map is constant.
double mean_absolute_difference(const MapAgreement& agreement);
double correlation(const MapAgreement& agreement);

inline constexpr Index kReferencePasses = 64;

struct PassesRow {
  Index samples = 0;                    // T, for each network
  double mean_absolute_difference = 0;  // over all voxels of the cases
  double correlation = 0;
  std::optional<double> error_auc;  // mean over the cases that have one
  double seconds = 0;               // of one case with its map, mean over the cases
};

struct PassesOptions {
  std::vector<Index> samples;
  std::string set = "report";          // as AssessOptions
  std::string checkpoint = "last";     // as AssessOptions
  Index most_cases = 10;               // the first ones
  std::filesystem::path dataset = {};  // as AssessOptions
  bool bf16 = false;
  std::function<void(Index done, Index total)> progress = [](Index, Index) {};  // in passes; may throw
};

struct PassesResult {
  std::vector<PassesRow> rows;  // by T; that of kReferencePasses always among them
  Index cases = 0;
};

// The reference is a map of kReferencePasses with another seed, which shares no draw with the run's own: the
// row of as many passes says what chance alone does. Of a run that assess_run has taken, which checks its
// files.
PassesResult measure_passes(Backend& backend, const std::filesystem::path& run, const PassesOptions& options);

TextTable passes_table(const PassesResult& result);

}  // namespace duet
