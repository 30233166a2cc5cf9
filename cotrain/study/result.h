// What is kept of a finished run: all that tables and pages need, in a JSON file of some ten kilobytes, so
// that a study moves to another machine without its checkpoints. Written by assess.h, read by tables and
// pages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cotrain/metrics/calibration.h"
#include "cotrain/metrics/class_metrics.h"

namespace duet {

// A curve over iterations; where values were averaged, x is the last iteration of each group.
struct Curve {
  std::string name;  // "dice network 1", "dice pair", "lane_cosine_1", "loss sup_1", ...
  std::vector<double> x, y;
};

// One case under every predictor.
struct CaseResult {
  std::string id;
  std::string files;  // beginnings of the SHA-256 of image and label; empty in results of earlier versions
  std::vector<std::vector<ClassMetrics>> metrics;  // [predictor][class - 1]
  // Of the last predictor's uncertainty map (method.uncertainty, inference.samples passes a network).
  std::optional<double> error_auc;
  std::vector<std::vector<std::optional<double>>> kept_dice;  // [share left out][class - 1]
};

// A case shown as a picture: image with reference, with prediction, and the uncertainty.
struct CasePicture {
  std::string kind;  // "best", "median", "worst" of mean Dice over the classes
  std::string case_id;
  double dice = 0;
  std::string file;  // PNG, relative to the folder of the result's file
};

struct RunResult {
  std::string row;  // of the study; of a single run its folder's name
  std::uint64_t seed = 0;
  std::string method;
  std::string config;                   // config.resolved.json, without data.dataset: what the run was
  std::string set;                      // "report" or "validation": where the cases are from
  std::string checkpoint = "last";      // or "best": whose weights were measured
  std::vector<std::string> classes;     // background first
  std::vector<std::string> predictors;  // "network 1", "network 2", "pair"; or the first alone
  Index iterations = 0;
  Index labelled = 0, unlabelled = 0;  // cases trained on
  Index parameters = 0;                // of all networks that predict
  double seconds = 0;                  // of the steps
  std::optional<double> peak_mib;      // greatest live memory of a step; nothing where the run was resumed
  std::string machine;                 // backend, threads, precision
  std::vector<Curve> curves;
  std::vector<CaseResult> cases;
  Calibration calibration;  // of the last predictor, over all voxels of the cases
  std::vector<CasePicture> pictures;
};

// Shares of the voxels that kept_dice leaves out.
inline constexpr double kLeftOut[] = {0.005, 0.01, 0.02, 0.05};

// Mean over the classes of Dice; nothing where none is defined.
std::optional<double> mean_dice(const CaseResult& from, std::size_t predictor);
// Mean over the cases of that.
std::optional<double> mean_dice(const RunResult& run, std::size_t predictor);

// The runs of each row, rows in order of first appearance. Points into `results`.
std::vector<std::vector<const RunResult*>> by_row(std::span<const RunResult> results);

// Atomic; Error(filesystem).
void write_result(const std::filesystem::path& file, const RunResult& result);
// Error(data) naming the file and what it lacks; sizes are checked before memory is taken.
RunResult read_result(const std::filesystem::path& file);

}  // namespace duet
