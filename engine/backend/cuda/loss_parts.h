// The parts of CudaLoss (loss.cu): softmax.cu, dice.cu, segmentation.cu and reduce.cu. Contracts:
// engine/kernels/loss.h. Scalars such as dloss and denominators are the device's: only functors read them.
#pragma once

#include "engine/backend/cuda/cuda.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/loss.h"

namespace duet::cuda {

void softmax_forward(const Room& room, ConstView x, View y);
void softmax_backward(const Room& room, ConstView y, ConstView dy, View dx, Accum accum);
void log_softmax_forward(const Room& room, ConstView x, View y);
void log_softmax_backward(const Room& room, ConstView y, ConstView dy, View dx, Accum accum);

void dice_forward(const Room& room, const DiceSpec& spec, ConstView probabilities, const LossTarget& target,
                  ConstView weights, View sums, View loss);
void dice_backward(const Room& room, const DiceSpec& spec, const LossTarget& target, ConstView weights,
                   ConstView sums, ConstView dloss, View dprobabilities, Accum accum);

void segmentation_loss_forward(const Room& room, const DiceSpec& spec, ConstView logits, ConstView classes,
                               ConstView weights, ConstView denominator, View sums, View loss);
void segmentation_loss_backward(const Room& room, const DiceSpec& spec, ConstView logits, ConstView classes,
                                ConstView weights, ConstView denominator, ConstView sums, ConstView dloss,
                                View dlogits, Accum accum);

void reduce_sum(const Room& room, const Reduction& axes, ConstView x, double factor, View y, Accum accum);
void broadcast(const Room& room, const Reduction& axes, ConstView x, double factor, View y, Accum accum);
void dot(const Room& room, ConstView a, ConstView b, View out, Accum accum);

// Throws EngineError unless the shapes of target and weights fit scores (logits or probabilities). Class
// indices are looked at by the kernels alone: see scores.h.
inline void check_loss(const char* kernel, ConstView scores, const LossTarget& target, ConstView weights) {
  const Shape one = scores.shape.with_channels(1);
  check_same(kernel, target.values.shape, target.soft() ? scores.shape : one);
  if (weights) check_same(kernel, weights.shape, one);
}

template <class T>
const T* data_or_null(ConstView view) {
  return view ? view.as<T>() : nullptr;
}

}  // namespace duet::cuda
