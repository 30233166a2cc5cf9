// The floor under a step: its convolutions alone through the library, each shape and pass in the better of
// two layouts, reorders left out. What a step takes above it is norms, traffic and everything else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/backend/onednn/floor.h"
#include "tools/bench/measure.h"

namespace duet::bench {

struct FloorRow {
  KernelUse use;
  std::optional<AloneTime> f32_plain, f32_blocked, bf16_plain, bf16_blocked;  // of one call
};

struct Floor {
  std::vector<FloorRow> rows;    // greatest time in the step first
  double f32_s = 0, bf16_s = 0;  // sums over the step's calls of the better layout; 0 where one is missing
  double seconds(const std::string& precision) const { return precision == "bf16" ? bf16_s : f32_s; }
};

// Of the convolutions in `profile`.
Floor measure_floor(const Profile& profile);

// With the step of `seconds` beside it, in the precision that it ran in.
std::string floor_text(const Floor& floor, double seconds, const std::string& precision);
nlohmann::ordered_json floor_json(const Floor& floor, double seconds, const std::string& precision);

}  // namespace duet::bench
