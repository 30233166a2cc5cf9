// Contract: updates of parameters in place, elementwise over one tensor. Called by nn's optimisers and EMA.
// Nothing records.
#pragma once

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

class OptimiserKernels {
 public:
  virtual ~OptimiserKernels() = default;
  // grad_scale multiplies the gradient first (clipping).
  virtual void sgd_step(const SgdStep&, double grad_scale, ConstView grad, View momentum, View parameter) = 0;
  virtual void adamw_step(const AdamWStep&, double grad_scale, ConstView grad, View m, View v,
                          View parameter) = 0;
  // average = decay average + (1 - decay) x.
  virtual void ema_update(double decay, ConstView x, View average) = 0;
};

}  // namespace duet
