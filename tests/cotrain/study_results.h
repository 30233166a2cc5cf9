// Results made up for tests of tables: two classes, one or two networks, Dice as given.
#pragma once

#include "cotrain/study/result.h"

namespace duet::testing {

// dice[case] of the last predictor, the same for both classes; the networks of a pair lie 0.1 below it.
inline RunResult made_result(const std::string& row, std::uint64_t seed, const std::vector<double>& dice,
                             bool pair) {
  RunResult r;
  r.row = row;
  r.seed = seed;
  r.method = "udct";
  r.config = R"({"data":{"labelled":3},"method":{"name":"udct"}})";
  r.set = "report";
  r.classes = {"background", "outer", "inner, \"of it\""};
  r.predictors = pair ? std::vector<std::string>{"network 1", "network 2", "pair"}
                      : std::vector<std::string>{"network 1"};
  r.iterations = 40;
  r.labelled = 3;
  r.unlabelled = 4;
  r.parameters = 1234;
  r.seconds = 90.5;
  r.peak_mib = 12.25;
  r.machine = "ref, 2 threads, f32";
  r.curves = {{"dice pair", {10, 20}, {0.25, 0.5}}, {"lane_cosine_1", {1, 40}, {-0.125, 1e-7}}};
  for (std::size_t i = 0; i < dice.size(); ++i) {
    CaseResult each;
    each.id = "case_" + std::to_string(i);
    each.files = "image-label";
    for (std::size_t k = 0; k < r.predictors.size(); ++k) {
      const double value = k + 1 == r.predictors.size() ? dice[i] : dice[i] - 0.1;
      ClassMetrics m;
      m.dice = value;
      m.jaccard = value / (2 - value);
      m.hd95 = 2.0;
      m.asd = 0.5;
      each.metrics.push_back({m, m});
    }
    each.error_auc = 0.75;
    each.kept_dice.assign(std::size(kLeftOut), {dice[i], std::nullopt});
    r.cases.push_back(each);
  }
  r.calibration.bins[14] = {100, 95.0, 90};
  r.pictures = {{"best", "case_0", dice.front(), "x_best.png"}};
  return r;
}

}  // namespace duet::testing
