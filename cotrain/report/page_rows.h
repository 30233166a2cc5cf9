// What the sections of a page share: the runs by rows of the study, and means of curves over seeds.
#pragma once

#include <string>
#include <vector>

#include "cotrain/study/result.h"

namespace duet {

struct PageRow {
  std::string name;
  std::string colour;                  // of its curves in every plot
  std::vector<const RunResult*> runs;  // its seeds, in the order given
};

// By RunResult::row, in the order in which names first appear. Points into `runs`.
std::vector<PageRow> rows_of(const std::vector<RunResult>& runs);

// nullptr where the run has no curve of that name.
const Curve* curve_of(const RunResult& run, const std::string& name);

// Mean over curves at every x that any of them has; NaN where not all of them have a finite value, as a mean
// over fewer seeds would show as a jump.
Curve mean_curve(const std::vector<const Curve*>& curves);

// The mean of values that are there and finite.
std::optional<double> mean_of(const std::vector<std::optional<double>>& values);

// Sections; empty where there is nothing to show.
std::string learning_section(const std::vector<PageRow>& rows);
std::string lanes_section(const std::vector<PageRow>& rows);
std::string losses_section(const RunResult& run);
std::string reliability_section(const std::vector<PageRow>& rows);
std::string left_out_section(const std::vector<PageRow>& rows);
std::string dice_section(const std::vector<PageRow>& rows);
// `folder` is what the pictures' files are relative to.
std::string pictures_section(const std::vector<PageRow>& rows, const std::filesystem::path& folder);

}  // namespace duet
