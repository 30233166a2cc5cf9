// Rows of a study held against each other, case by case. Called by tables.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "cotrain/metrics/bootstrap.h"
#include "cotrain/study/result.h"

namespace duet {

// What is looked at in a row: a figure of each case of its runs; nothing where it is not defined.
struct Measured {
  std::span<const RunResult* const> runs;
  std::function<std::optional<double>(const CaseResult&)> figure;
};

// Mean of row - reference over the cases that both have under the same seed, with its 95 % interval; nothing
// where they share none.
std::optional<Interval> paired_difference(const Measured& row, const Measured& reference);

// (row - from) / (to - from), of such means over the cases that all three have, as a seed's split may be
// harder than another's; its interval draws all three together. Nothing as bootstrap_ratio has it.
std::optional<Interval> share_of_gap(const Measured& row, const Measured& from, const Measured& to);

}  // namespace duet
