// Batch, instance and group norm that record. Formula and statistics: engine/kernels/norm.h.
#pragma once

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"

namespace duet {

// Where batch norm takes its statistics from; instance and group norm always take those of the sample.
enum class NormMode {
  batch,            // of the batch; moves the running ones
  batch_no_update,  // of the batch (Monte Carlo passes)
  running           // the running ones (prediction)
};

// Running statistics of a batch norm, (1,1,1,1,C) each.
struct RunningStatistics {
  Tensor mean, var;
  double momentum = 0.1;
};

// What is done in the norm's own pass, to save passes over memory: y = activation(norm(x)) + skip.
struct NormTail {
  double slope = 1.0;  // z > 0 ? z : slope z; 0 is ReLU, 1 none
  Var skip;            // of x's shape, or empty; fewer samples are taken over and over (not where recorded)
  // The caller uses x no more, so that under NoGrad y may be written over it: less memory and fewer bytes
  // moved.
  bool over_input = false;
};

// x (N,D,H,W,C), gamma and beta (1,1,1,1,C), both or neither. running: needed for kind batch unless mode is
// batch_no_update. Throws EngineError where statistics would come from one value (an instance of a single
// voxel, a batch norm of one row). The output has a recipe: those who need it in backward keep x instead.
Var norm(Backend& backend, NormSpec spec, NormMode mode, const Var& x, const Var& gamma, const Var& beta,
         RunningStatistics* running = nullptr, const NormTail& tail = {});

}  // namespace duet
