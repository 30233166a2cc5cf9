// Contract: softmax over channels, losses and reductions. Called by engine/ops and cotrain's sampling.
// Logits and probabilities (N,D,H,W,C); class indices u8 (N,D,H,W,1); voxel weights (N,D,H,W,1) of the
// logits' type, may be empty (1). Scalars (1,1,1,1,1) of the logits' type. Sums are made in double, in an
// order that does not depend on threads.
#pragma once

#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet {

// What a loss learns from: class indices (u8) or a distribution of the logits' type and shape.
struct LossTarget {
  ConstView values;
  bool soft() const { return values.dtype != DType::u8; }
};

struct DiceSpec {
  double epsilon = 1e-5;
  bool background = false;  // whether class 0 counts in the mean over classes
};

struct Reduction {
  bool n = true, space = true, c = true;  // the axes summed over
};

// Shape of x summed over the axes.
Shape reduced_shape(const Reduction& axes, const Shape& x);

class LossKernels {
 public:
  virtual ~LossKernels() = default;

  virtual void softmax_forward(ConstView x, View y) = 0;  // y may alias x
  virtual void softmax_backward(ConstView y, ConstView dy, View dx, Accum) = 0;
  virtual void log_softmax_forward(ConstView x, View y) = 0;  // y may alias x
  virtual void log_softmax_backward(ConstView y, ConstView dy, View dx, Accum) = 0;

  // loss = sum_v w CE(softmax(z_v), t_v) / denominator. A class index outside [0, C) throws EngineError or,
  // on a device that is not waited for, makes loss and gradients NaN; so in every loss here.
  virtual void cross_entropy_forward(ConstView logits, LossTarget, ConstView weights, ConstView denominator,
                                     View loss) = 0;
  // dlogits = or += dloss * w / denominator * (softmax(z) sum(t) - t). dloss is a scalar.
  virtual void cross_entropy_backward(ConstView logits, LossTarget, ConstView weights, ConstView denominator,
                                      ConstView dloss, View dlogits, Accum) = 0;

  // Soft Dice over the whole batch: mean over classes of 1 - (2 sum w p t + eps) / (sum w p + sum w t + eps).
  // sums (1,1,1,3,C), f64: sum w p t, sum w p, sum w t; kept for the backward.
  virtual void dice_forward(const DiceSpec&, ConstView probabilities, LossTarget, ConstView weights,
                            View sums, View loss) = 0;
  virtual void dice_backward(const DiceSpec&, LossTarget, ConstView weights, ConstView sums, ConstView dloss,
                             View dprobabilities, Accum) = 0;

  // loss = cross-entropy + Dice of softmax(logits), both as above, in one pass. classes u8. sums as of
  // dice_forward.
  virtual void segmentation_loss_forward(const DiceSpec&, ConstView logits, ConstView classes,
                                         ConstView weights, ConstView denominator, View sums, View loss) = 0;
  virtual void segmentation_loss_backward(const DiceSpec&, ConstView logits, ConstView classes,
                                          ConstView weights, ConstView denominator, ConstView sums,
                                          ConstView dloss, View dlogits, Accum) = 0;

  // loss = sum_v w sum_c (a - b)^2 / (C denominator).
  virtual void squared_error_forward(ConstView a, ConstView b, ConstView weights, ConstView denominator,
                                     View loss) = 0;
  // da = or += 2 dloss w (a - b) / (C denominator); call with a and b swapped for b's gradient.
  virtual void squared_error_backward(ConstView a, ConstView b, ConstView weights, ConstView denominator,
                                      ConstView dloss, View da, Accum) = 0;

  // y has size 1 along the reduced axes: y = or += factor * sum.
  virtual void reduce_sum(const Reduction&, ConstView x, double factor, View y, Accum) = 0;
  // The transpose: y (full shape) = or += factor * x broadcast along the reduced axes.
  virtual void broadcast(const Reduction&, ConstView x, double factor, View y, Accum) = 0;
  // out (scalar, f64) = or += sum of a * b, a and b of one type and shape.
  virtual void dot(ConstView a, ConstView b, View out, Accum) = 0;
};

}  // namespace duet
