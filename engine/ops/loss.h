// Softmax, losses and reductions that record. Formulas: engine/kernels/loss.h. Losses are scalars
// (1,1,1,1,1). Targets, weights and denominators are constants: no gradient flows through them.
#pragma once

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"

namespace duet {

Var softmax(Backend& backend, const Var& x);      // over channels
Var log_softmax(Backend& backend, const Var& x);  // over channels

// What weighs the voxels of a loss: weights (N,D,H,W,1) or empty (1), and the scalar that divides the sum.
struct LossWeights {
  Tensor weights;
  Tensor denominator;
};

// Divides by the sum of the weights (a weighted mean).
LossWeights normalised_by_sum(Backend& backend, Tensor weights);
// Divides by the sum of `counted` (N,D,H,W,1), such as the valid voxels: an uncertain batch speaks softly.
LossWeights normalised_by(Backend& backend, Tensor weights, const Tensor& counted);
// No weights: divides by the number of voxels of logits' shape.
LossWeights unweighted(Backend& backend, const Shape& logits, DType dtype);

// target: u8 class indices (N,D,H,W,1), or a distribution of the logits' type and shape.
Var cross_entropy(Backend& backend, const Var& logits, const Tensor& target, const LossWeights& weights);
// probabilities: a softmax. weights (N,D,H,W,1) or empty.
Var dice_loss(Backend& backend, const DiceSpec& spec, const Var& probabilities, const Tensor& target,
              const Tensor& weights);
// cross_entropy(logits) + dice_loss(softmax(logits)) of class indices under the same weights, as one node.
Var segmentation_loss(Backend& backend, const DiceSpec& spec, const Var& logits, const Tensor& classes,
                      const LossWeights& weights);
// Mean over voxels (by weights) and channels of (a - b)^2; gradients go to both.
Var squared_error(Backend& backend, const Var& a, const Var& b, const LossWeights& weights);

Var reduce_sum(Backend& backend, const Reduction& axes, const Var& x);
Var reduce_mean(Backend& backend, const Reduction& axes, const Var& x);

}  // namespace duet
