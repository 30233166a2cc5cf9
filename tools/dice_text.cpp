#include "tools/dice_text.h"

#include <cstdio>

#include "engine/core/errors.h"

namespace duet {

std::string dice_text(const ValidationScore& score) {
  std::string line;
  for (std::size_t k = 0; k < score.dice.size(); ++k) {
    const bool pair = k > 0 && k + 1 == score.dice.size();
    line += (k ? "  " : "") + (pair ? std::string("pair") : text("network ", k + 1));
    for (const auto& dice : score.dice[k]) {
      char number[16] = " -";
      if (dice) std::snprintf(number, sizeof number, " %.4f", *dice);
      line += number;
    }
  }
  return line;
}

}  // namespace duet
