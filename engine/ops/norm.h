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

// x (N,D,H,W,C), gamma and beta (1,1,1,1,C), both or neither. running: needed for kind batch unless mode is
// batch_no_update. Throws EngineError where statistics would come from one value (an instance of a single
// voxel, a batch norm of one row).
Var norm(Backend& backend, NormSpec spec, NormMode mode, const Var& x, const Var& gamma, const Var& beta,
         RunningStatistics* running = nullptr);

}  // namespace duet
