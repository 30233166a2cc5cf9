// Made-up results of a study, with pictures, for the tests of its page: two rows, two seeds each, everything
// that a page can show.
#pragma once

#include <cmath>

#include "cotrain/report/page.h"
#include "io/pictures/picture.h"
#include "tests/io/temporary_folder.h"

namespace duet::testing {

inline Curve made_up_curve(const std::string& name, double start, double end, double shake) {
  Curve curve{name, {}, {}};
  for (int i = 1; i <= 40; ++i) {
    curve.x.push_back(25.0 * i);
    curve.y.push_back(end + (start - end) * std::exp(-i / 8.0) + shake * std::sin(i * 2.3 + 9 * shake));
  }
  return curve;
}

inline ClassMetrics made_up_metrics(double dice) {
  ClassMetrics metrics;
  metrics.dice = dice;
  return metrics;
}

// Dice of "front" `dice` and of "back" 0.05 less, for network 1; each further predictor 0.01 better.
inline CaseResult made_up_case(const std::string& id, std::size_t predictors, double dice) {
  CaseResult result;
  result.id = id;
  for (std::size_t p = 0; p < predictors; ++p) {
    const double gain = 0.01 * static_cast<double>(p);
    result.metrics.push_back({made_up_metrics(dice + gain), made_up_metrics(dice - 0.05 + gain)});
  }
  result.error_auc = 0.93;
  for (const double share : kLeftOut) result.kept_dice.push_back({dice + 2 * share, dice - 0.02 + 2 * share});
  return result;
}

inline RunResult made_up_run(const std::string& row, std::uint64_t seed, bool pair) {
  RunResult run;
  run.row = row;
  run.seed = seed;
  run.method = pair ? "udct" : "supervised";
  run.set = "report";
  run.classes = {"background", "front", "back"};
  run.predictors = pair ? std::vector<std::string>{"network 1", "network 2", "pair"}
                        : std::vector<std::string>{"network 1"};
  run.iterations = 1000;
  run.labelled = 10;
  run.unlabelled = pair ? 118 : 0;
  run.parameters = pair ? 3'120'000 : 1'560'000;
  run.seconds = pair ? 300 : 49;
  run.peak_mib = 812;
  run.machine = "onednn, 2 threads, f32";
  const double gain = pair ? 0.02 : 0, shake = 0.004 * static_cast<double>(seed);
  for (const std::string& predictor : run.predictors)
    run.curves.push_back(made_up_curve("dice " + predictor, 0.1, 0.83 + gain, shake));
  run.curves.push_back(made_up_curve("loss sup_1", 1.4, 0.2, shake));
  for (const std::string n : {"1", "2"}) {
    if (!pair) break;
    run.curves.push_back(made_up_curve("loss uns_" + n, 0.7, 0.05, shake));
    run.curves.push_back(made_up_curve("lane_cosine_" + n, 0.6, 0.1, 5 * shake));
    run.curves.push_back(made_up_curve("lane_norm_sup_" + n, 2.0, 0.2, shake));
    run.curves.push_back(made_up_curve("lane_norm_uns_" + n, 0.005, 0.12, shake));
  }
  for (int i = 0; i < 4; ++i)
    run.cases.push_back(
        made_up_case("hippocampus_" + std::to_string(100 + i), run.predictors.size(), 0.8 + 0.02 * i));
  for (std::size_t b = 5; b < run.calibration.bins.size(); ++b) {
    CalibrationBin& bin = run.calibration.bins[b];
    bin.voxels = b + 1 == run.calibration.bins.size() ? 90'000 : 1'000;
    const double confidence = (static_cast<double>(b) + 0.5) / 15;
    bin.confidence = confidence * static_cast<double>(bin.voxels);
    bin.correct = static_cast<Index>((confidence - (pair ? 0.02 : 0.06)) * static_cast<double>(bin.voxels));
  }
  return run;
}

// Three planes of a bright blob, as an overlay is.
inline Picture made_up_picture(int shift) {
  Picture picture(480, 160, {24, 24, 28});
  for (int plane = 0; plane < 3; ++plane) {
    for (int y = 0; y < 148; ++y) {
      for (int x = 0; x < 148; ++x) {
        const double radius = std::hypot(x - 70 - 3 * plane, y - 74 + shift) / 48;
        const auto grey = static_cast<std::uint8_t>(radius < 1 ? 170 : 60 + (x * 7 + y * 5) % 23);
        const bool inside = radius < 0.7;
        picture.set(6 + 158 * plane + x, 6 + y,
                    {grey, inside ? std::uint8_t{120} : grey, inside ? std::uint8_t{60} : grey});
      }
    }
  }
  return picture;
}

// Writes three pictures of the run into the folder.
inline void add_pictures(RunResult& run, const TemporaryFolder& folder) {
  for (const std::string kind : {"best", "median", "worst"}) {
    const int index = static_cast<int>(run.pictures.size());
    const std::string file = run.method + std::to_string(run.seed) + "_" + kind + ".png";
    write_png(folder / file, made_up_picture(10 * index));
    run.pictures.push_back({kind, "hippocampus_" + std::to_string(123 - index), 0.912 - 0.1 * index, file});
  }
}

inline PageInput made_up_study(const TemporaryFolder& folder) {
  PageInput input;
  input.title = "Hippocampus, 10 labels";
  input.table =
      "<table><thead><tr><th>row</th><th>Dice</th></tr></thead><tbody><tr><td>few "
      "labels</td><td>0.805</td></tr>"
      "<tr><td>few labels, co-training</td><td>0.825</td></tr></tbody></table>";
  input.folder = folder.path();
  for (const bool pair : {false, true}) {
    for (const std::uint64_t seed : {1, 2})
      input.runs.push_back(made_up_run(pair ? "few labels, co-training" : "few labels", seed, pair));
  }
  for (RunResult& run : input.runs) add_pictures(run, folder);
  return input;
}

}  // namespace duet::testing
