// What a forward pass is told: each knob its own, no global training flag. Passed by reference through every
// module.
#pragma once

#include "engine/core/philox.h"
#include "engine/kernels/backend.h"
#include "engine/ops/norm.h"

namespace duet {

enum class DropoutMode {
  off,
  train,       // one draw a step: pass 0
  monte_carlo  // draws by pass, 1 + first_pass ...
};

struct ForwardContext {
  Backend& backend;
  DropoutMode dropout = DropoutMode::off;
  NormMode norm = NormMode::running;
  // Of activations and their gradients: bf16 instead of the f32 that parameters, statistics and logits keep.
  bool bf16 = false;
  // Outputs of convolutions are made again in backward where what they are made from is kept: less memory,
  // about a sixth more time, the same bytes.
  bool recompute = false;

  // The random stream of dropout; layers add their own number.
  std::uint64_t seed = 0;
  std::uint32_t network = 0;
  std::uint32_t step = 0;
  Index first_sample = 0;  // place of sample 0 in the original batch

  // Monte Carlo passes folded into the batch, pass-major: the batch holds `folds` times the samples of one
  // pass.
  Index first_pass = 0;
  Index folds = 1;
};

}  // namespace duet
