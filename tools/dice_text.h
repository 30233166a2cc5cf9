// Validation Dice on one line, as train and study print it.
#pragma once

#include <string>

#include "cotrain/train/validation.h"

namespace duet {

// "network 1 0.8500 0.8280  network 2 ...  pair ..."; "-" where a class has no Dice.
std::string dice_text(const ValidationScore& score);

}  // namespace duet
