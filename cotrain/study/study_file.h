// STUDY.json: rows (a config and what a row changes in it) times seeds over one data set.
//   { "config": "../hippocampus.json",            // relative to this file
//     "set": ["training.iterations=2000"],        // for every row, as --set
//     "seeds": [1, 2, 3],                         // of the labelled cases, weights and draws
//     "cases": "report",                          // or "validation": what is measured
//     "checkpoint": "last",                       // or "best" on validation
//     "reference": "udct",                        // the row that others are compared with, case by case
//     "gap": ["supervised", "all labels"],        // rows whose distance "gap closed" is measured by
//     "rows": [ { "name": "udct", "set": ["method.name=udct"] }, ... ] }
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cotrain/config/run_config.h"

namespace duet {

struct StudyRow {
  std::string name;
  std::vector<std::string> set;
};

struct Study {
  std::filesystem::path config;
  std::vector<std::string> set;
  std::vector<std::uint64_t> seeds;
  std::string cases = "report", checkpoint = "last";
  std::string reference, gap_from, gap_to;  // names of rows; may be empty
  std::vector<StudyRow> rows;
};

// Error(usage) with file, line and column: an unknown or missing key, a name or seed twice, a reference or
// gap that names no row, more than 1,000 runs.
Study read_study(const std::filesystem::path& file);

// One run of it.
struct StudyRun {
  std::string name;  // of files: the row's name in small letters, digits and '-', "_seed_N" after it
  std::size_t row = 0;
  std::uint64_t seed = 0;
  ConfigValues values;
  RunConfig config;
};

// All of them, seed by seed, so that after each seed every row has one more result. `overrides` come last
// (--set of the command line). Error(usage) with every fault of every row, naming the row.
std::vector<StudyRun> study_runs(const Study& study, const std::vector<std::string>& overrides);

}  // namespace duet
