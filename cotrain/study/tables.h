// A study's results as tables: for people in Markdown and HTML, for programs in CSV.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cotrain/study/result.h"

namespace duet {

struct TextTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;  // what the numbers are, a sentence each
};

// Names of rows that others are held against; empty: no such column.
struct Comparison {
  std::string reference;         // "difference to ..."
  std::string gap_from, gap_to;  // "gap closed"
};

// A line for each row of the study and each of its predictors: mean ± standard deviation over seeds of the
// means over cases (one seed: the mean alone); for the last predictor also calibration, the paired difference
// to the reference row's last predictor with its 95 % bootstrap interval over cases x seeds, parameters,
// iterations, time and memory; on the first line "alone" the difference of single networks' mean. Rows in
// order of first appearance. Gap closed: (mean Dice - that of gap_from) / (that of gap_to - that of
// gap_from), last predictors' mean Dice of those two, with its interval; on the first line of the mean of
// single networks, too, and where those two rows are pairs also the share between their single networks.
TextTable summary_table(std::span<const RunResult> results, const Comparison& comparison);

std::string as_markdown(const TextTable& table);
std::string as_html(const TextTable& table);

// A line for each run, predictor, case and class: row, seed, predictor, case, class, dice, jaccard, hd95,
// asd, assd, and for the last predictor's first class error_auc; what is not defined is empty.
std::string results_csv(std::span<const RunResult> results);

}  // namespace duet
