// Validation: every case segmented by sliding windows, Dice of each class for each network and for the mean
// of all.
#pragma once

#include <optional>
#include <vector>

#include "cotrain/data/cases.h"
#include "cotrain/predict/sliding_window.h"

namespace duet {

struct ValidationScore {
  // [predictor][class - 1]: mean Dice over cases; predictors are each network, then (where there are two)
  // their mean. No value where no case has the class.
  std::vector<std::vector<std::optional<double>>> dice;
  // Mean over classes for the last predictor: what `best` is chosen by. 0 where nothing is defined.
  double chosen = 0;
};

ValidationScore validate(Backend& backend, const std::vector<std::unique_ptr<Network>>& networks,
                         const std::vector<LoadedCase>& cases, int classes, WindowConfig windows);

}  // namespace duet
