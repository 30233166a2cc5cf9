// Contract: updates of parameters in place, elementwise, over all tensors of a network in one call. Called by
// nn's optimisers and EMA. Nothing records.
#pragma once

#include <vector>

#include "engine/tensor/view.h"

namespace duet {

// As in PyTorch: g += weight_decay p; m = momentum m + g (m = g at the first step, as m starts at 0);
// p -= rate (nesterov ? g + momentum m : m).
struct SgdStep {
  double rate = 0.01, momentum = 0.9, weight_decay = 1e-4;
  bool nesterov = false;
};

// Loshchilov & Hutter 2019: p -= rate weight_decay p; then Adam with bias correction at step t >= 1.
struct AdamWStep {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 1e-2;
  Index t = 1;
};

// A parameter and what is kept of it: shapes and types of a row are one; tensors overlap in none.
struct SgdTensors {
  ConstView grad;
  View momentum, parameter;
};
struct AdamWTensors {
  ConstView grad;
  View m, v, parameter;
};
struct EmaTensors {
  ConstView x;
  View average;
};

class OptimiserKernels {
 public:
  virtual ~OptimiserKernels() = default;
  // grad_scale multiplies the gradients first (clipping).
  virtual void sgd_step(const SgdStep&, double grad_scale, const std::vector<SgdTensors>&) = 0;
  virtual void adamw_step(const AdamWStep&, double grad_scale, const std::vector<AdamWTensors>&) = 0;
  // average = decay average + (1 - decay) x.
  virtual void ema_update(double decay, const std::vector<EmaTensors>&) = 0;
};

}  // namespace duet
