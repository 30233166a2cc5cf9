// Contract: batch, instance and group normalisation. Called by engine/ops.
// y = (x - mean) / sqrt(var + eps) * gamma + beta (Ioffe & Szegedy 2015; Ulyanov et al. 2016; Wu & He 2018),
// x (N,D,H,W,C). Statistics belong to a block of samples and a group of channels: mean and var are (S, 1,1,1,
// G), var biased (over count).
//   batch     S = folds (blocks of N / folds samples, kept apart), G = C
//   instance  S = N, G = C          group   S = N, G = groups, channel c in group c / (C / G)
#pragma once

#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet {

enum class NormKind { batch, instance, group };

struct NormSpec {
  NormKind kind = NormKind::batch;
  double epsilon = 1e-5;
  Index groups = 1;  // of kind group
  Index folds = 1;   // of kind batch: Monte Carlo passes folded into one batch; N is divisible by it
  bool fixed_statistics =
      false;  // mean and var are constants (running statistics): S = 1, no gradient through them
};

// Shape of mean and var for x; throws EngineError where the spec does not fit x.
Shape norm_statistics_shape(const NormSpec& spec, const Shape& x);

// What a norm works on. x (N,D,H,W,C) f32, f64 or bf16; the rest of x's master type: mean, var as above,
// gamma and beta (1,1,1,1,C), both or neither (1 and 0). What follows the norm is done in the same pass: z =
// (x - mean) r gamma + beta, r = 1 / sqrt(var + eps); activated a = z > 0 ? z : slope z (slope 0: ReLU, 1:
// none).
struct NormOperands {
  ConstView x, mean, var, gamma, beta;
  double slope = 1.0;
};

class NormKernels {
 public:
  virtual ~NormKernels() = default;

  // Writes mean and var. Accumulates in double or by a stable two-pass or blockwise sum.
  virtual void norm_statistics(const NormSpec&, ConstView x, View mean, View var) = 0;
  // Writes y = a + skip, which may alias x. skip may be empty; its samples are taken over and over where it
  // has fewer than x (passes folded into one batch).
  virtual void norm_forward(const NormSpec&, const NormOperands&, ConstView skip, View y) = 0;
  // With dz = dy where z > 0, else slope dy, writes sums (N, 1, 1, 2, C): for each sample and channel, the
  // sum over voxels of dz and of dz * xhat, xhat = (x - mean) r.
  virtual void norm_backward_sums(const NormSpec&, const NormOperands&, ConstView dy, View sums) = 0;
  // dgamma, dbeta (1,1,1,1,C) = or += sums added over the samples given (a segment of the batch for lanes).
  virtual void norm_backward_parameters(ConstView sums, View dgamma, Accum, View dbeta, Accum) = 0;
  // dx = or +=; sums over all N samples; dx may alias dy when written. The skip's gradient is dy itself.
  virtual void norm_backward_data(const NormSpec&, const NormOperands&, ConstView dy, ConstView sums, View dx,
                                  Accum) = 0;
  // running = (1 - momentum) running + momentum batch; the variance is the unbiased one, var * count / (count
  // - 1). mean, var (S,1,1,1,C) are averaged over S.
  virtual void norm_update_running(ConstView mean, ConstView var, Index count, double momentum,
                                   View running_mean, View running_var) = 0;
};

}  // namespace duet
