// Contract: Monte Carlo passes to mean prediction and uncertainty, voxel weights from it. Called by cotrain.
// Nothing records. Formulas: Gal & Ghahramani 2016 (dropout as sampling); predictive entropy, expected
// entropy and mutual information as in Kendall & Gal 2017 and Smith & Gal 2018; all divided by ln C (the
// variance by its greatest value), so in [0, 1].
#pragma once

#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet {

enum class UncertaintyKind { predictive_entropy, expected_entropy, mutual_information, variance };

// Running sums over passes; all (B, D, H, W, *) of the logits' type.
struct SampleSums {
  View probability;  // (.., C) sum of p
  View entropy;      // (.., 1) sum of -sum_c p ln p
  View square;       // (.., 1) sum of sum_c p^2
};

class SamplingKernels {
 public:
  virtual ~SamplingKernels() = default;

  // logits (passes * B, D, H, W, C), pass-major: sums = or += over the passes of softmax(logits).
  virtual void accumulate_samples(ConstView logits, Index passes, const SampleSums& sums, Accum) = 0;
  // probability: sum -> mean over T passes, in place; uncertainty (B,D,H,W,1) written.
  // variance: (mean_k sum_c p^2 - sum_c mean_p^2) / (1 - 1/C).
  virtual void finish_samples(UncertaintyKind, Index T, const SampleSums& sums, View uncertainty) = 0;

  // weights = valid * (1 + alpha U). valid (N,D,H,W,1) may be empty. weights may alias uncertainty.
  virtual void weights_towards_uncertain(ConstView uncertainty, double alpha, ConstView valid,
                                         View weights) = 0;
  // weights = valid * exp(-beta U).
  virtual void weights_towards_certain(ConstView uncertainty, double beta, ConstView valid, View weights) = 0;
  // y = max(a, b), elementwise.
  virtual void maximum(ConstView a, ConstView b, View y) = 0;
  // classes (N,D,H,W,1) u8 = index of the greatest channel, first of equals.
  virtual void argmax(ConstView x, View classes) = 0;
};

}  // namespace duet
