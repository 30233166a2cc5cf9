// What a warp's matrix instructions do, from the tables of the PTX ISA ("ldmatrix", "mma.m16n8k16" for bf16).
#pragma once

#include <array>

#include "tests/engine/cuda/blocks/block.h"

namespace duet::blocks {

constexpr int kLanes = 32;
using WarpSteps = std::array<const Step*, kLanes>;

// Does what the lanes ask for. Throws EngineError where they do not ask for the same, or a row is not
// aligned.
void carry_out(const WarpSteps&);

}  // namespace duet::blocks
