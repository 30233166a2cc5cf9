#include "cotrain/study/tables.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "cotrain/metrics/summary.h"
#include "cotrain/report/html.h"
#include "cotrain/study/compare.h"
#include "engine/core/errors.h"

namespace duet {
namespace {

using Optional = std::optional<double>;

struct Row {
  std::string name;
  std::vector<const RunResult*> runs;
  std::size_t last() const { return runs.front()->predictors.size() - 1; }
};

std::vector<Row> rows_of(std::span<const RunResult> results) {
  std::vector<Row> rows;
  for (auto& runs : by_row(results)) rows.push_back({runs.front()->row, runs});
  return rows;
}

const Row* find_row(const std::vector<Row>& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::string cell(const Statistic& statistic, int digits) {
  if (!statistic.mean) return "-";
  std::string text = fixed_number(*statistic.mean, digits);
  if (statistic.std) text += " ± " + fixed_number(*statistic.std, digits);
  return text;
}

// Over the seeds of a row, of what `of` says of each run.
template <class Of>
Statistic over_seeds(const Row& row, const Of& of) {
  std::vector<Optional> values;
  for (const RunResult* run : row.runs) values.push_back(of(*run));
  return summarize(values);
}

// Mean over a run's cases of one metric of one predictor and class.
template <class Metric>
Optional over_cases(const RunResult& run, std::size_t predictor, std::size_t index, const Metric& metric) {
  std::vector<Optional> values;
  for (const CaseResult& each : run.cases) values.push_back(metric(each.metrics[predictor][index]));
  return summarize(values).mean;
}

template <class Metric>
Optional over_classes(const RunResult& run, std::size_t predictor, const Metric& metric) {
  std::vector<Optional> values;
  for (std::size_t c = 0; c + 1 < run.classes.size(); ++c) {
    values.push_back(over_cases(run, predictor, c, metric));
  }
  return summarize(values).mean;
}

Optional mean_error_auc(const RunResult& run) {
  std::vector<Optional> values;
  for (const CaseResult& each : run.cases) values.push_back(each.error_auc);
  return summarize(values).mean;
}

Optional dice_of_last(const CaseResult& each) { return mean_dice(each, each.metrics.size() - 1); }

// Mean over the networks, each alone: without what a pair gains by being two.
Optional dice_of_networks(const CaseResult& each) {
  const std::size_t predictors = each.metrics.size(), networks = predictors > 1 ? predictors - 1 : 1;
  std::vector<Optional> values;
  for (std::size_t k = 0; k < networks; ++k) values.push_back(mean_dice(each, k));
  return summarize(values).mean;
}

// "+0.004", "-0.010"; what rounds to nothing is "+0.000".
std::string signed_number(double value) {
  const std::string digits = fixed_number(value, 3);
  return digits.front() == '-' ? digits : "+" + digits;
}

template <class Figure>
std::string difference_cell(const Row& row, const Row* reference, const Figure& figure) {
  if (!reference || &row == reference) return "";
  const auto interval = paired_difference({row.runs, figure}, {reference->runs, figure});
  if (!interval) return "-";
  return signed_number(interval->mean) + " [" + signed_number(interval->low) + ", " +
         signed_number(interval->high) + "]";
}

// On the line of a predictor; networks alone come apart from last predictors where one of both is a pair.
std::string difference_text(const Row& row, const Row* reference, std::size_t predictor) {
  std::string text = predictor == row.last() ? difference_cell(row, reference, dice_of_last) : std::string();
  const bool pairs = reference && (row.last() > 0 || reference->last() > 0);
  if (predictor == 0 && pairs && &row != reference) {
    text += (text.empty() ? "" : "; ") + ("alone " + difference_cell(row, reference, dice_of_networks));
  }
  return text;
}

std::string percents(double share) { return fixed_number(100 * share, 0); }

// `end`: what is looked at in the rows that the gap lies between.
template <class Figure, class End>
std::string share_cell(const Row& row, const Figure& figure, const Row& from, const Row& to, const End& end) {
  const auto share = share_of_gap({row.runs, figure}, {from.runs, end}, {to.runs, end});
  if (!share) return "-";
  const std::string percent = percents(share->mean) + " %";
  if (!std::isfinite(share->low)) return percent + " [no bounds]";
  return percent + " [" + percents(share->low) + ", " + percents(share->high) + "]";
}

// On the line of a predictor; on that of a pair's first network also of the networks' mean. Where the ends
// are pairs, the first line has the share between their networks' means, too.
std::string gap_text(const Row& row, std::size_t predictor, const Row* from, const Row* to) {
  if (!from || !to) return "";
  if (predictor == row.last() && &row == from) return "0 %";
  if (predictor == row.last() && &row == to) return "100 %";
  const auto dice = [predictor](const CaseResult& each) { return mean_dice(each, predictor); };
  std::string text = share_cell(row, dice, *from, *to, dice_of_last);
  if (predictor > 0) return text;
  if (row.last() > 0) {
    text += "; mean of networks " + share_cell(row, dice_of_networks, *from, *to, dice_of_last);
  }
  if (from->last() > 0 && to->last() > 0 && &row != from && &row != to) {
    text += ", of single networks' gap " + share_cell(row, dice_of_networks, *from, *to, dice_of_networks);
  }
  return text;
}

std::string duration(const Statistic& seconds) {
  if (!seconds.mean) return "-";
  return *seconds.mean < 120 ? fixed_number(*seconds.mean, 0) + " s"
                             : fixed_number(*seconds.mean / 60, 1) + " min";
}

std::string names(const std::set<std::string>& all) {
  std::string line;
  for (const std::string& each : all) line += (line.empty() ? "" : ", ") + each;
  return line;
}

// Surface distances that do not exist, as where a prediction lacks a class: no part of the means above.
std::string undefined_distances(const std::vector<Row>& rows) {
  std::string line;
  for (const Row& row : rows) {
    for (std::size_t k = 0; k <= row.last(); ++k) {
      std::size_t missing = 0, all = 0;
      for (const RunResult* run : row.runs) {
        for (const CaseResult& each : run->cases) {
          all += each.metrics[k].size();
          missing += static_cast<std::size_t>(std::ranges::count_if(
              each.metrics[k], [](const ClassMetrics& m) { return m.dice && !m.hd95; }));
        }
      }
      if (missing == 0) continue;
      line += text(line.empty() ? "" : "; ", row.name, ", ", row.runs.front()->predictors[k], ": ", missing,
                   " of ", all);
    }
  }
  return line;
}

// From here on their spread is known well enough for intervals to be taken at their word.
constexpr std::size_t kManySeeds = 8;

std::vector<std::string> notes_of(const std::vector<Row>& rows, const Comparison& comparison) {
  std::set<std::string> seeds, sets, cases, checkpoints, machines;
  for (const Row& row : rows) {
    for (const RunResult* run : row.runs) {
      seeds.insert(std::to_string(run->seed));
      sets.insert(run->set);
      checkpoints.insert(run->checkpoint);
      cases.insert(std::to_string(run->cases.size()));
      machines.insert(run->machine);
    }
  }
  std::vector<std::string> notes{
      "Cases: " + names(cases) + " of the " + names(sets) + " set a seed; checkpoint: " + names(checkpoints) +
      "; seeds: " + names(seeds) +
      "; the seed draws the labelled cases, too. Mean over cases, then mean ± standard deviation over seeds. "
      "HD95 and "
      "ASD "
      "in mm, mean over classes; ECE: expected calibration error over all voxels; error AUC: how well the "
      "uncertainty map tells wrong voxels from right ones (0.5: not at all)."};
  if (!comparison.reference.empty()) {
    notes.push_back("Difference: mean Dice minus that of " + comparison.reference +
                    ", case by case, with the 95 % bootstrap interval over cases × seeds, both drawn anew; "
                    "on a row's last line of both rows' last predictors, on the line of network 1 of the "
                    "mean of both rows' networks, each alone, where one has two.");
    if (seeds.size() > 1 && seeds.size() < kManySeeds) {
      notes.back() += text(" Drawn anew, ", seeds.size(), " seeds show ", seeds.size() - 1, "/", seeds.size(),
                           " of their variance, and may all be lucky: the intervals are too narrow.");
    }
  }
  if (!comparison.gap_from.empty()) {
    notes.push_back("Gap closed: of the mean Dice, over the seeds that all three have, between " +
                    comparison.gap_from + " (0 %) and " + comparison.gap_to +
                    " (100 %), with the 95 % interval, drawn of all three together; no bounds: the gap may "
                    "be nothing. Single networks' gap: between those two rows' networks, each alone, as a "
                    "pair gains by being two, whatever it learned.");
  }
  if (const std::string missing = undefined_distances(rows); !missing.empty()) {
    notes.push_back(
        "Classes without HD95 and ASD, as prediction or reference is empty, left out of the means: " +
        missing + ".");
  }
  notes.push_back("Ran on: " + names(machines) + ".");
  return notes;
}

}  // namespace

TextTable summary_table(std::span<const RunResult> results, const Comparison& comparison) {
  const std::vector<Row> rows = rows_of(results);
  const Row* reference = find_row(rows, comparison.reference);
  const Row* from = find_row(rows, comparison.gap_from);
  const Row* to = find_row(rows, comparison.gap_to);
  TextTable table;
  if (rows.empty()) return table;
  const std::vector<std::string>& classes = rows.front().runs.front()->classes;
  table.header = {"row", "labels", "predictor"};
  for (std::size_t c = 1; c < classes.size(); ++c) table.header.push_back("Dice " + classes[c]);
  for (const char* name : {"mean Dice", "HD95", "ASD", "ECE", "error AUC"}) table.header.emplace_back(name);
  if (!comparison.gap_from.empty()) table.header.emplace_back("gap closed");
  if (!comparison.reference.empty()) table.header.push_back("difference to " + comparison.reference);
  for (const char* name : {"parameters", "iterations", "time", "peak MiB", "seeds"}) {
    table.header.emplace_back(name);
  }
  for (const Row& row : rows) {
    const RunResult& first = *row.runs.front();
    for (std::size_t k = 0; k <= row.last(); ++k) {
      const bool last = k == row.last();
      std::vector<std::string> line{k == 0 ? row.name : "", k == 0 ? std::to_string(first.labelled) : "",
                                    first.predictors[k]};
      for (std::size_t c = 0; c + 1 < classes.size(); ++c) {
        line.push_back(cell(over_seeds(row,
                                       [&](const RunResult& run) {
                                         return over_cases(run, k, c,
                                                           [](const ClassMetrics& m) { return m.dice; });
                                       }),
                            3));
      }
      line.push_back(cell(over_seeds(row, [&](const RunResult& run) { return mean_dice(run, k); }), 3));
      for (const auto metric : {&ClassMetrics::hd95, &ClassMetrics::asd}) {
        const auto value = [&](const ClassMetrics& m) { return m.*metric; };
        line.push_back(
            cell(over_seeds(row, [&](const RunResult& run) { return over_classes(run, k, value); }), 2));
      }
      const auto ece = [](const RunResult& run) { return expected_calibration_error(run.calibration); };
      line.push_back(last ? cell(over_seeds(row, ece), 4) : "");
      line.push_back(last ? cell(over_seeds(row, mean_error_auc), 3) : "");
      if (!comparison.gap_from.empty()) line.push_back(gap_text(row, k, from, to));
      if (!comparison.reference.empty()) line.push_back(difference_text(row, reference, k));
      line.push_back(last ? std::to_string(first.parameters) : "");
      line.push_back(last ? std::to_string(first.iterations) : "");
      line.push_back(
          last ? duration(over_seeds(row, [](const RunResult& run) { return Optional(run.seconds); })) : "");
      line.push_back(last ? cell(over_seeds(row, [](const RunResult& run) { return run.peak_mib; }), 0) : "");
      line.push_back(last ? std::to_string(row.runs.size()) : "");
      table.rows.push_back(std::move(line));
    }
  }
  table.notes = notes_of(rows, comparison);
  return table;
}

}  // namespace duet
