#include "cotrain/study/passes.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "cotrain/data/cases.h"
#include "cotrain/metrics/calibration.h"
#include "cotrain/metrics/summary.h"
#include "cotrain/predict/segment.h"
#include "cotrain/predict/trained.h"
#include "cotrain/report/html.h"
#include "cotrain/train/run_folder.h"
#include "cotrain/train/trainer.h"
#include "engine/core/errors.h"

namespace duet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

struct RowSums {
  Index samples = 0;
  MapAgreement agreement;
  std::vector<std::optional<double>> error_aucs;
  double seconds = 0;
};

std::vector<RowSums> rows_for(std::vector<Index> samples) {
  samples.push_back(kReferencePasses);
  std::sort(samples.begin(), samples.end());
  samples.erase(std::unique(samples.begin(), samples.end()), samples.end());
  std::vector<RowSums> rows;
  rows.reserve(samples.size());
  for (const Index each : samples) rows.push_back({each, {}, {}, 0});
  return rows;
}

}  // namespace

void add_maps(MapAgreement& agreement, std::span<const float> map, std::span<const float> reference) {
  DUET_CHECK(map.size() == reference.size(), "passes: a map of ", map.size(), " voxels beside one of ",
             reference.size());
  if (map.empty()) return;
  if (agreement.voxels == 0) {
    agreement.map_shift = map.front();
    agreement.reference_shift = reference.front();
  }
  for (std::size_t i = 0; i < map.size(); ++i) {
    const double a = map[i] - agreement.map_shift, b = reference[i] - agreement.reference_shift;
    agreement.absolute += std::abs(static_cast<double>(map[i]) - reference[i]);
    agreement.map += a;
    agreement.reference += b;
    agreement.map_square += a * a;
    agreement.reference_square += b * b;
    agreement.product += a * b;
  }
  agreement.voxels += static_cast<Index>(map.size());
}

double mean_absolute_difference(const MapAgreement& agreement) {
  return agreement.voxels == 0 ? kUndefined : agreement.absolute / static_cast<double>(agreement.voxels);
}

double correlation(const MapAgreement& agreement) {
  if (agreement.voxels == 0) return kUndefined;
  const auto n = static_cast<double>(agreement.voxels);
  const double a = agreement.map_square - agreement.map * agreement.map / n,
               b = agreement.reference_square - agreement.reference * agreement.reference / n,
               both = agreement.product - agreement.map * agreement.reference / n;
  if (a <= 0 || b <= 0) return kUndefined;
  return std::clamp(both / std::sqrt(a * b), -1.0, 1.0);  // rounding may step out
}

PassesResult measure_passes(Backend& backend, const std::filesystem::path& run,
                            const PassesOptions& options) {
  const TrainedNetworks trained = load_trained(backend, run, options.checkpoint);
  const RunConfig& config = trained.config;
  Split split = read_split(RunFolder{run}.split());
  if (!options.dataset.empty()) split = found_in(std::move(split), read_dataset(options.dataset));
  const std::vector<SplitCase>& all = options.set == "report" ? split.report : split.validation;
  std::vector<RowSums> rows = rows_for(options.samples);
  PassesResult result;
  result.cases = std::min(options.most_cases, static_cast<Index>(all.size()));

  Index done = 0, total = kReferencePasses * result.cases;
  for (const RowSums& row : rows) total += row.samples * (result.cases + 1);
  WindowConfig windows = window_config(config);
  windows.bf16 = options.bf16;
  for (Index i = 0; i < result.cases; ++i) {
    const LoadedCase from =
        load_case(all[static_cast<std::size_t>(i)], static_cast<int>(trained.classes), config.data);
    const std::vector<std::uint8_t> labels = crop(from.labels, from.frame);
    const auto segment = [&](Index samples, std::uint64_t seed) {
      options.progress(done, total);
      done += samples;
      windows.samples = samples;
      windows.seed = seed;
      return segment_volume(backend, trained.networks, from.image, from.frame, windows);
    };
    const std::uint64_t seed = config.training.seed;
    const std::vector<float> reference = segment(kReferencePasses, seed + 1).uncertainty;
    for (RowSums& row : rows) {
      if (i == 0) segment(row.samples, seed);  // makes the kernels for batches of this T: not to be timed
      const auto start = Clock::now();
      const Segmentation found = segment(row.samples, seed);
      row.seconds += std::chrono::duration<double>(Clock::now() - start).count();
      add_maps(row.agreement, found.uncertainty, reference);
      row.error_aucs.push_back(error_detection_auc(found.uncertainty, found.labels, labels));
    }
  }
  for (const RowSums& row : rows) {
    result.rows.push_back({row.samples, mean_absolute_difference(row.agreement), correlation(row.agreement),
                           summarize(row.error_aucs).mean,
                           row.seconds / static_cast<double>(std::max<Index>(1, result.cases))});
  }
  return result;
}

TextTable passes_table(const PassesResult& result) {
  TextTable table;
  table.header = {"passes", "mean difference", "correlation", "error AUC", "seconds a case"};
  for (const PassesRow& row : result.rows) {
    table.rows.push_back({std::to_string(row.samples), fixed_number(row.mean_absolute_difference, 5),
                          fixed_number(row.correlation, 4),
                          fixed_number(row.error_auc.value_or(kUndefined), 3), fixed_number(row.seconds, 2)});
  }
  table.notes = {
      text("How far the uncertainty map of T Monte Carlo passes a network is from one of ", kReferencePasses,
           " passes drawn with another seed, over all voxels of ", result.cases,
           " cases: mean absolute difference (a map lies in [0, 1]) and Pearson's correlation. Two maps of ",
           kReferencePasses, " passes differ, too: the row of ", kReferencePasses,
           ", drawn with the run's own seed, is the floor that no number of passes can be told from. A row's "
           "passes are the first ones of every longer row."),
      "Error AUC: how well the map tells wrong voxels from right ones, mean over the cases (0.5: not at "
      "all). Seconds: a whole case segmented with its map by all networks, mean over the cases."};
  return table;
}

}  // namespace duet
