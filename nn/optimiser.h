// Optimisers: update parameters in place from their gradients (or from the merged lanes), all in one
// call of the backend.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

struct OptimiserConfig {
  std::string name = "sgd";  // or "adamw"
  double momentum = 0.9;     // of sgd
  bool nesterov = false;
  double weight_decay = 1e-4;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // of adamw
  double clip_norm = 0.0;  // the gradient's L2 norm over all parameters is scaled down to it; 0: not clipped
};

class Optimiser {
 public:
  // EngineError for another name, or a value that makes weights infinite.
  Optimiser(Backend& backend, OptimiserConfig config, std::vector<ParameterPtr> parameters);

  // One step with the learning rate given; parameters without a gradient stay; gradients are cleared
  // (flagged, not zeroed). Returns the gradient's L2 norm before clipping when clip_norm > 0, else 0.
  double step(double rate);

  // Momentum or moments, named "<parameter>.momentum" | ".m" | ".v", and the number of steps taken, for
  // checkpoints.
  std::vector<NamedTensor> state() const;
  Index steps() const { return steps_; }
  // AdamW corrects a parameter's moments by how often that one was updated; after this, `steps` times each.
  void set_steps(Index steps) {
    steps_ = steps;
    updates_.assign(parameters_.size(), steps);
  }

 private:
  Backend& backend_;
  OptimiserConfig config_;
  std::vector<ParameterPtr> parameters_;
  std::vector<Tensor> first_, second_;
  std::vector<Index> updates_;  // of each parameter: the steps in which it had a gradient
  Index steps_ = 0;
};

}  // namespace duet
